"""What becomes of a run that diverged or ran out of memory: another attempt with other values, or an error that helps.

An attempt goes on from the newest good checkpoint, or from the first step. What it changes is in the run's config from
then on, so a resumed run takes the same steps.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from fastrun.components.on_divergence.rewind import rewind
from fastrun.config import registry
from fastrun.config.settings import Settings
from fastrun.errors import CheckpointError, ConfigError, Diverged, OutOfMemory
from fastrun.run import ddp
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.checkpoint.load import load_small
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.storage.run_dir import RunDir
from fastrun.system import memory
from fastrun.system.clock import Clock
from fastrun.training.builders.setup import Setup
from fastrun.training.fit import FitResult, fit

log = logging.getLogger("fastrun")

_FAR = 10.0  # times the optimizer's own learning rate: a rate beyond is no plausible one


def fit_with_recovery(
    settings: Settings,
    run: RunDir,
    setup: Setup,
    saved: SavedCheckpoint | None,
    clock: Clock,
    console: Console | None,
) -> tuple[Settings, FitResult]:
    """Train, again with other values where that may help.

    Args:
        settings: the run, whole.
        run: its directory.
        setup: device and data.
        saved: the checkpoint to go on from, or None.
        clock: the clock of the run.
        console: a terminal to draw on, or None.

    Returns:
        The values that the run ended with, and what became of it.

    Raises:
        Diverged: a loss or a gradient is not finite, and the run may not go back, or not any more.
        OutOfMemory: the device is full, and the batch is not the one that ``batch=auto`` chose, or cannot be parted.
        FastrunError: what else ended the run.
    """
    while True:
        path = saved.path if saved else None
        try:
            with explained(settings, clock), ddp.other_processes(run.path, settings, setup, path):
                return settings, fit(settings, run, setup, path, clock, console)
        except (Diverged, OutOfMemory) as error:
            saved = _newest(run)
            step = saved.step if saved else 0
            changed = _rewound(settings, error, step) if isinstance(error, Diverged) else _parted(settings, error)
            if changed is None and isinstance(error, Diverged):
                raise _advised(error, settings, run, step) from error
            if changed is None:
                raise
            settings = changed
        _free()
        run.change(settings, ())
        run.forget_after(step)
        clock = carry_clock(clock, path=saved.path if saved else None)
        log.info(f"going on from step {step}")


def _newest(run: RunDir) -> SavedCheckpoint | None:
    """Return the newest good checkpoint; None if there is none."""
    try:
        saved, broken = run.newest_good()
    except CheckpointError:
        return None
    for one in broken:
        log.warning(f"{one.path.name} is damaged: passed over")
    return saved


def _rewound(settings: Settings, error: Diverged, step: int) -> Settings | None:
    """Return the settings with lower learning rates from ``step`` on; None if the run may not be rewound."""
    rewound = rewind(settings.on_divergence, error.step, step)
    if rewound is None:
        return None
    count = f"{len(rewound.rewinds)} of {rewound.times}"
    log.warning(f"{error.message}: back to step {step}, rates times {rewound.factor:g} ({count})")
    return replace(settings, on_divergence=rewound)


def _parted(settings: Settings, error: OutOfMemory) -> Settings | None:
    """Return the settings with twice as many parts per batch, or with smaller batches of validations.

    Returns:
        The settings; None if the batch cannot be smaller, or is the user's choice.
    """
    batch = settings.batch
    if error.eval_size is not None:
        if not batch.found or error.eval_size == 1:
            return None
        smaller = error.eval_size // 2
        log.warning(f"{error.message}: on with batch.eval_size={smaller}")
        return replace(settings, batch=replace(batch, eval_size=smaller))
    parts = 2 * batch.accumulate
    if not batch.found or parts > batch.size // settings.device.world_size:
        return None
    log.warning(f"{error.message}: on with batch.accumulate={parts}, the same batch in smaller parts")
    found = f"{batch.found.partition('; out of memory')[0]}; out of memory until accumulate={parts}"
    return replace(settings, batch=replace(batch, accumulate=parts, found=found))


def _advised(error: Diverged, settings: Settings, run: RunDir, step: int) -> Diverged:
    """Return the error with a hint."""
    count = len(settings.on_divergence.rewinds)
    tried = f", after {count} rewind{'s' * (count > 1)}" if count else ""
    return Diverged(error.message + tried, _advice(settings, run, step), error.step)


def _advice(settings: Settings, run: RunDir, step: int) -> str:
    lower = _lower_rate(settings, 2 if step else 10)
    answer = settings.on_divergence
    more = f"on_divergence.times={2 * answer.times}" if answer.kind == "rewind" else "on_divergence.kind=rewind"
    others = " or ".join([*([] if settings.clip.kind == "norm" else ["clip.kind=norm"]), more])
    if step:
        return f"fastrun resume {run.path} {lower} goes on from step {step}; {others} may help, too"
    others = others.replace(".kind=", "=")  # as options are chosen for a new run
    return f"nothing was saved: start again with {lower} (`fastrun find lr` looks for one); {others} may help, too"


def _lower_rate(settings: Settings, divisor: int) -> str:
    """Return the override of a lower learning rate: a part of the run's, or the optimizer's own where that is far off.

    Args:
        settings: the settings of the run.
        divisor: what its rate is divided by.
    """
    rate = settings.optimizer.get("lr")
    if not isinstance(rate, (int, float)):
        return "a lower rate"
    usual = _usual_rate(str(settings.choices.get("optimizer")))
    return f"optimizer.lr={usual if rate / divisor > _FAR * usual else rate / divisor:g}"


def _usual_rate(option: str) -> float:
    """Return the learning rate that an option of the optimizer has by itself; infinity where it has none."""
    entry = registry.options("optimizer").get(option)
    try:
        return float(entry.content()["lr"]) if entry else math.inf
    except (KeyError, TypeError, ValueError):
        return math.inf


def carry_clock(clock: Clock, path: Path | None) -> Clock:
    """Return a clock that has counted the whole run once the time in the checkpoint is added to it."""
    kept = CheckpointState.of(load_small(path), str(path)).clock if path else {}
    spent = {phase: seconds - kept.get(phase, 0.0) for phase, seconds in clock.state().items()}
    return Clock(time.time(), spent)


def _free() -> None:
    """Release the memory and the process group of the attempt before."""
    memory.release_unused()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def explained(settings: Settings, clock: Clock) -> Iterator[None]:
    """Raise an error with a hint if the device is full, or if ``deterministic`` forbids a kernel.

    Args:
        settings: the settings of the run.
        clock: the clock of the run, whose phase says what it was doing.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if "does not have a deterministic implementation" in str(error):
            kernel = str(error).split()[0]
            raise ConfigError(
                f"deterministic=true: {kernel} has no deterministic form on {settings.device.accelerator}",
                "deterministic=false, or a model without it",
            ) from error
        if not memory.is_out_of_memory(error):
            raise
        raise _full(settings, clock.phase) from error


def _full(settings: Settings, phase: str) -> OutOfMemory:
    batch = settings.batch
    if phase == "validate":  # of another process, whose batch is not known here
        return OutOfMemory(f"out of memory in a validation{memory.describe_peak()}", "try a smaller batch.eval_size")
    parts = f" in {batch.accumulate} parts" if batch.accumulate > 1 else ""
    smaller = f"batch.accumulate={2 * batch.accumulate} needs about half the memory and changes no result"
    if 2 * batch.accumulate > batch.size // settings.device.world_size:
        smaller = "a smaller model"
    halved = "" if settings.amp.kind in ("bf16", "fp16") else ", or amp=bf16 on a device that has it"
    return OutOfMemory(
        f"out of memory with batch.size={batch.size}{parts}{memory.describe_peak()}", f"try {smaller}{halved}"
    )
