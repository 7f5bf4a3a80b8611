"""The diagnosis of a training: what is measured, in which order, and what comes of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fastrun.config.duration import to_minutes
from fastrun.config.settings import EarlyStoppingConfig, Settings
from fastrun.errors import ConfigError, OutOfMemory, StorageError
from fastrun.system.cores import allowed_cores
from fastrun.system.memory import describe_peak, is_out_of_memory, peak_memory, peak_of_device, release_unused
from fastrun.system.proc import fields
from fastrun.system.seed import seeded
from fastrun.training.builders.batch_size import choose_batch_size
from fastrun.training.builders.setup import Setup, set_up
from fastrun.tune.auto.choose import choose
from fastrun.tune.auto.dimensions import with_choice
from fastrun.tune.diagnose import verdict as rules
from fastrun.tune.diagnose.candidates import candidates
from fastrun.tune.diagnose.evaluation import Save, measure_save, measure_validation
from fastrun.tune.diagnose.machine import Flops, count_flops, measure_machine
from fastrun.tune.diagnose.outcome import Outcome, best_outcome, try_all
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.steps import measure_steps
from fastrun.tune.diagnose.trial import Trial
from fastrun.tune.diagnose.verdict import Verdict

_STEPS, _VALIDATION, _TRYING = 0.4, 0.1, 0.4  # shares of the time
_FIRST_STEPS = 3  # that make the training take the memory it needs
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Diagnosis:
    """What a training spends its time on, and what makes it faster.

    Attributes:
        settings: the settings that were measured.
        device: the name of the processor or GPU.
        measured: the numbers.
        verdicts: the bottlenecks; the first is the verdict.
        outcomes: what became of each override that was tried.
        notes: what else there is to know, in words.
    """

    settings: Settings
    device: str
    measured: Measured
    verdicts: list[Verdict]
    outcomes: list[Outcome]
    notes: list[str]

    @property
    def verdict(self) -> Verdict:
        """Return the bottleneck."""
        return self.verdicts[0]

    @property
    def best(self) -> Outcome | None:
        """Return the overrides to type: those that were measured to help most; None where none helped."""
        return best_outcome(self.outcomes)


def diagnose(settings: Settings, seconds: float = 30.0, say: Say = lambda text: None) -> Diagnosis:
    """Find the bottleneck of a training, and overrides that were measured to make it faster.

    Nothing is left behind: no run directory, no file, no changed state of torch's generators and threads.

    Args:
        settings: the settings of the training.
        seconds: how long measuring should take, about. Steps that take long make it longer.
        say: is told what is done.

    Raises:
        ConfigError: a part of the training cannot be built.
        DataError: the data cannot be read or trained on.
        OutOfMemory: the training does not fit the device.
    """
    processes = settings.device.world_size
    settings, notes = _in_one_process(settings)
    with _state_kept(settings), _explained(settings):
        say("loading the data")
        setup = set_up(settings)
        if settings.batch.kind == "auto":
            say("choosing the batch size")
            settings = choose_batch_size(settings, setup)
            notes.append(f"batch=auto chooses batch.size={settings.batch.size} here")
        if processes > 1 and settings.speed.threads is None:
            settings = with_choice(settings, {"speed.threads": max(1, allowed_cores() // processes)})
        say("choosing what is fastest")
        settings = choose(settings, setup)
        trial, measured, more = _measure(settings, setup, seconds, say)
        verdicts = rules.judge(measured)
        found = candidates([verdict.name for verdict in verdicts], trial, measured)
        outcomes = try_all(found, trial, measured, _TRYING * seconds, say)
        notes += [*more, *rules.notes(measured), *_notes_on(settings)]
    return Diagnosis(settings, setup.device.model_name, measured, verdicts, outcomes, notes)


def _measure(settings: Settings, setup: Setup, seconds: float, say: Say) -> tuple[Trial, Measured, list[str]]:
    """Return the training, what was measured of it, and notes."""
    notes = []
    say("building the training")
    release_unused()
    before = _resident_memory()
    trial = Trial(settings, setup)
    for _ in range(_FIRST_STEPS):
        trial.step_on_kept_batch()
    memory = _taken_memory(trial, before)
    flops = _count(trial)
    say("measuring steps in turns")
    steps = measure_steps(trial, _STEPS * seconds)
    say("measuring a validation and a checkpoint")
    validation = measure_validation(trial, _VALIDATION * seconds)
    save: Save | None = None
    if settings.checkpoint.kind != "none":
        try:
            save = measure_save(trial, Path(settings.outputs))
        except StorageError as error:
            notes.append(f"no checkpoint could be measured: {error.message}")
    machine = measure_machine(trial, flops or Flops(0))
    minutes = to_minutes(settings.checkpoint.every)
    return trial, Measured(steps, trial.parts.plan, validation, save, minutes, flops, machine, memory), notes


def _count(trial: Trial) -> Flops | None:
    """Return the operations of a step; None where torch's counter does not bear the model."""
    try:
        return count_flops(trial)
    except Exception as error:  # a model may do what a dispatch mode cannot follow, and the diagnosis can go on
        if is_out_of_memory(error):
            raise
        return None


def _in_one_process(settings: Settings) -> tuple[Settings, list[str]]:
    """Return settings for one process without a budget of time, and notes on what is left out."""
    notes = []
    count = settings.device.world_size
    if count > 1:
        share = max(1, settings.batch.size // count)
        notes.append(
            f"one process is measured, with its share of the batch, {share} samples; "
            f"what {count} of them wait for one another is not"
        )
        batch, device = replace(settings.batch, size=share), replace(settings.device, count=1, nodes=1)
        settings = replace(settings, batch=batch, device=device)
    if settings.device.offload:
        notes.append("weights are measured on the device; what device.offload=true takes to move them is not")
        settings = replace(settings, device=replace(settings.device, offload=False))
    if settings.early_stopping.kind == "budget":
        notes.append("validations and checkpoints count as in a run of all epochs, not of the budget")
        settings = replace(settings, early_stopping=EarlyStoppingConfig())
    return settings, notes


def _notes_on(settings: Settings) -> list[str]:
    """Return what of the settings is not measured as a run has it."""
    notes = []
    if settings.transfer.kind == "finetune":
        notes.append("measured as the run begins: with the body frozen, as transfer.freeze says")
    if settings.callbacks:
        notes.append("callbacks are not measured")
    if not settings.speed.compile:
        notes.append("speed.compile=true is not tried: compiling may take minutes")
    return notes


@contextmanager
def _state_kept(settings: Settings) -> Iterator[None]:
    """Put the generators, the threads and the choice of kernels back after a block, which computes as a run does."""
    threads, was_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    workspace = os.environ.get(_CUBLAS)
    if settings.deterministic:
        os.environ.setdefault(_CUBLAS, ":4096:8")
    torch.use_deterministic_algorithms(settings.deterministic)
    try:
        with seeded(settings.seed, "diagnose"), warnings.catch_warnings():
            # More worker processes than cores are worth trying where they wait for a disk.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            yield
    finally:
        torch.use_deterministic_algorithms(was_deterministic)
        torch.set_num_threads(threads)
        if workspace is None:
            os.environ.pop(_CUBLAS, None)
        release_unused()


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    """Raise an error with a hint where the device is full, or ``deterministic`` forbids a kernel."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if "does not have a deterministic implementation" in str(error):
            message = f"deterministic=true: {str(error).split()[0]} has no deterministic form"
            raise ConfigError(message, "deterministic=false, or a model without it") from error
        if not is_out_of_memory(error):
            raise
        batch = settings.batch
        hint = f"try batch.accumulate={2 * batch.accumulate}, which changes no result, or a smaller model"
        raise OutOfMemory(f"out of memory with batch.size={batch.size}{describe_peak()}", hint) from error


def _resident_memory() -> int:
    """Return the bytes of memory that this process holds; 0 where the system does not say."""
    text = fields("/proc/self/status").get("VmRSS", "0")
    return int(text.split()[0]) << 10


def _taken_memory(trial: Trial, before: int) -> int:
    """Return the bytes of memory that a training has taken at its peak: of the GPU, or what the process grew by."""
    on_device = peak_of_device(trial.device)
    return max(0, peak_memory() - before) if on_device is None else on_device
