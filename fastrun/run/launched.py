"""A run whose processes a launcher started, such as torchrun or srun: what each of them does.

The first process runs the command. The others wait until it tells them what to train, check that they have the same
code, config and data, and take part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrun.config.settings import Settings, from_dict
from fastrun.errors import (
    ConfigError,
    Diverged,
    FastrunError,
    Interrupted,
    OutOfMemory,
    ProcessEnded,
    UsageError,
)
from fastrun.run.agreement import check_data, check_same, description, requested
from fastrun.system.place import Place

if TYPE_CHECKING:
    from fastrun.run.world import World
    from fastrun.training.builders.setup import Setup

_VERBS = "train", "resume"


class FirstEnded(ProcessEnded):
    """The first process ended the run with an error, which it has told."""


def fit_to_place(settings: Settings, overrides: Sequence[str], place: Place | None) -> Settings:
    """Return the settings of a run with as many processes as the launcher started.

    Args:
        settings: the settings of the run.
        overrides: the overrides of the command line.
        place: the place of this process; None if no launcher started it.

    Raises:
        ConfigError: the command line asks for another number of processes, or for a single one.
    """
    if place is None:
        return settings
    started = {
        "device.count": (place.local_size, f"{place.local_size} processes on each node"),
        "device.nodes": (place.nodes, f"processes on {place.nodes} node{'s' * (place.nodes > 1)}"),
    }
    for override in overrides:
        key, _, value = override.partition("=")
        if key in started and value != str(started[key][0]):
            raise ConfigError(f"{override}: {place.launcher} started {started[key][1]}", f"leave {key} out")
    device = settings.device
    if device.kind in ("cpu", "gpu"):
        message = f"device={device.kind} is for one process, and {place.launcher} started {place.world_size}"
        raise ConfigError(message, f"device=ddp device.accelerator={device.kind}")
    kind = "fsdp" if device.kind == "fsdp" else "ddp"
    device = replace(device, kind=kind, count=place.local_size, nodes=place.nodes)
    return replace(settings, device=device, choices=settings.choices | {"device": kind})


def run_command(place: Place, verb: str, arguments: list[str], run: Callable[[str, list[str]], int]) -> int:
    """Run a command line in one of the processes that a launcher started, and return its exit code.

    Args:
        place: the place of this process.
        verb: the command.
        arguments: what follows it.
        run: runs a command.

    Raises:
        UsageError: the command is for a single process.
        FastrunError: the run ended with an error; in the first process, or in the second where the first has gone.
    """
    try:
        _check_command(place, verb, arguments)
    except UsageError as error:
        if place.rank:
            return error.exit_code  # the first process tells
        raise
    from fastrun.run.world import world_at

    world = world_at(place)
    if place.rank:
        return _run_in_another(world, verb, arguments, run)
    begun = world.noted_run() if place.restart and verb == "train" else None
    if begun and Path(begun, "config.yaml").is_file():  # a run that was refused is not there any more
        verb, arguments = "resume", [begun]
    with world.ending():
        return run(verb, arguments)


def _check_command(place: Place, verb: str, arguments: list[str]) -> None:
    started = f"and {place.launcher} started {place.world_size}"
    if verb not in _VERBS:
        raise UsageError(f"fastrun {verb} is for one process, {started}", f"run it without {place.launcher}")
    if verb == "train" and {"-m", "--multirun"} & set(arguments):
        hint = f"start it without {place.launcher}: device=ddp gives each job several processes"
        raise UsageError(f"a sweep is started by one process, {started}", hint)


@contextmanager
def leading(place: Place | None, settings: Settings | None) -> Iterator[None]:
    """Lead the other processes of a launcher for the duration of a block, if there are any.

    Args:
        place: the place of this process, the first one; None if no launcher started it.
        settings: the settings of a new run, as they were asked for; None for one that goes on.
    """
    if place is None:
        yield
        return
    from fastrun.run.world import world_at

    world = world_at(place)
    world.requested = requested(settings) if settings else None
    with world.ending():
        yield


def note_run(place: Place | None, run: Path) -> None:
    """Note the directory of a run, to be resumed if the launcher starts its processes again."""
    if place is not None:
        from fastrun.run.world import world_at

        world_at(place).note_run(run)


def _run_in_another(world: World, verb: str, arguments: list[str], run: Callable[[str, list[str]], int]) -> int:
    """Run a command line in a process that is not the first; it prints nothing but what the first one cannot tell."""
    try:
        with redirect_stdout(StringIO()):
            if verb == "resume":
                follow(world.place, None)
                return 0
            return run(verb, arguments)
    except FirstEnded as error:
        return error.exit_code
    except FastrunError as error:
        if isinstance(error, ProcessEnded):  # the first process has gone and tells nothing
            if world.place.rank == 1 or world.place.local_rank == 0:
                raise
            return error.exit_code
        world.attempt = max(1, world.attempt)
        with suppress(RuntimeError):
            world.report(error)
        return error.exit_code


def follow(place: Place, composed: Settings | None) -> tuple[Path, dict[str, Any], Settings]:
    """Take part in a run as one of its other processes, until the first one says that it has ended.

    Args:
        place: the place of this process.
        composed: the settings that this process composed from its own files; None where it composed none.

    Returns:
        The run directory, no summary, and the settings; empty ones if nothing was left to train.

    Raises:
        FirstEnded: the run ended with an error.
        ProcessEnded: the first process cannot be reached any more.
    """
    from fastrun.run.world import world_at
    from fastrun.system import memory, signals

    world, order = world_at(place), dict[str, Any]()
    with signals.listening(breaks_off=False):
        while True:
            world.attempt += 1
            key, told = world.ask("end", f"order/{world.attempt}")
            if key == "end":
                world.heard()
                if told["exit_code"]:
                    raise FirstEnded("the first process has ended the run", None, told["exit_code"])
                return Path(order.get("run", "")), {}, from_dict(order.get("settings", {}))
            order = told
            _take_part(world, order, composed)
            memory.release_unused()


def _take_part(world: World, order: Mapping[str, Any], composed: Settings | None) -> None:
    """Train as one of the processes of an attempt; report an error of this process."""
    from fastrun.storage.run_dir import RunDir
    from fastrun.system.clock import Clock, process_start
    from fastrun.system.connection import backend_for, is_broken
    from fastrun.training.builders.setup import set_up
    from fastrun.training.fit import fit
    from fastrun.training.trained.model import load_learned

    settings = from_dict(order["settings"])
    try:
        check_same(order, description(settings), composed)
        resume = Path(order["resume"]) if order["resume"] else None
        setup = set_up(settings, load_learned(resume) if resume else None, anyway=True)
        check_data(order["fingerprint"], setup.splits.fingerprint)
        world.tell(f"ready/{world.attempt}/{world.place.rank}")
        if world.ask("end", f"go/{world.attempt}")[0] == "end":
            return
        world.join(backend_for(setup.device.torch_device.type))
        fit(settings, RunDir(Path(order["run"])), setup, resume, Clock(process_start()), None)
    except (Interrupted, Diverged):
        pass  # all processes end at the same step
    except Exception as error:
        if not is_broken(error):
            world.report(error)
    finally:
        world.leave()


@contextmanager
def taking_part(world: World, run: Path, settings: Settings, setup: Setup, resume: Path | None) -> Iterator[None]:
    """Let the other processes take part in an attempt for the duration of a block.

    Args:
        world: the processes of the run.
        run: the run directory.
        settings: the settings of the run.
        setup: the device and the data.
        resume: the checkpoint to go on from, or None.

    Raises:
        MemoryError: one of them has no memory left.
        FastrunError: one of them has other code, config or data, has ended with an error, or cannot be reached.
    """
    from fastrun.system.connection import backend_for, is_broken

    world.attempt += 1
    world.tell(
        f"order/{world.attempt}",
        run=run.absolute(),
        resume=resume.absolute() if resume else None,
        settings=asdict(settings) | {"logger": {}},  # the first process alone writes to trackers, whose keys are secret
        fingerprint=setup.splits.fingerprint,
        requested=world.requested,
        **description(settings),
    )
    for rank in range(1, world.place.world_size):
        world.ask(f"ready/{world.attempt}/{rank}")
    world.tell(f"go/{world.attempt}")
    try:
        world.join(backend_for(setup.device.torch_device.type))
        yield
    except RuntimeError as error:
        first = world.why_broken() if is_broken(error) else None
        if first is None:
            raise
        if first.exit_code == OutOfMemory.exit_code:
            raise MemoryError(first.message) from error
        if first.hint is None and settings.checkpoint.kind != "none":
            first.hint = f"go on with: fastrun resume {run}"
        raise first from error
    finally:
        world.leave()
