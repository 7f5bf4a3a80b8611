"""Runs a run: its directory, its log and its status; errors are recorded there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastrun.components.device.all_gpus import with_all_gpus
from fastrun.config.settings import Settings
from fastrun.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    Diverged,
    FastrunError,
    Interrupted,
    ProcessEnded,
    StorageError,
)
from fastrun.run import launched
from fastrun.run.early import check_early
from fastrun.run.log import Screen, logging_to, show
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.system import signals
from fastrun.system.clock import Clock
from fastrun.system.place import find_place
from fastrun.training.objects import NONE, Objects

if TYPE_CHECKING:
    from fastrun.training.builders.setup import Setup
    from fastrun.training.fit import FitResult

log = logging.getLogger("fastrun")

_REFUSALS = ConfigError, DataError, CheckpointError  # what a user has to change before a run can start


class Ended(NamedTuple):
    """A run that has ended.

    Attributes:
        directory: the run directory.
        summary: the content of summary.json; empty in a process that a launcher started and that is not the first.
        settings: the settings of the run.
    """

    directory: Path
    summary: dict[str, Any]
    settings: Settings


def train(
    settings: Settings,
    folder: Path,
    overrides: list[str],
    *,
    started: float,
    quiet: bool = False,
    keeps_refused: bool = False,
    objects: Objects = NONE,
) -> Ended:
    """Train a network from the first step in a new run directory.

    Args:
        settings: the settings of the run.
        folder: the run directory, which must not hold a run.
        overrides: the overrides of the command line.
        started: the time at which the run was requested, in seconds since the epoch.
        quiet: whether to print nothing.
        keeps_refused: whether a run that is refused before its first step leaves its directory, as jobs of a sweep do.
        objects: what takes the place of the config's model, data and callbacks.

    Raises:
        FastrunError: the run was refused, or ended with an error, which is also in its directory.
    """
    place = find_place()
    settings = launched.fit_to_place(settings, overrides, place)
    if place is None and not objects.given:  # other processes could not be given the objects
        settings = with_all_gpus(settings, overrides)
    if place is not None and place.rank:
        with suppress(OSError):
            if not keeps_refused:  # jobs of a sweep share theirs
                folder.rmdir()  # the first process has one of its own
        return Ended(*launched.follow(place, settings))
    if not keeps_refused:
        check_early(settings, given=objects.given)
    try:
        with launched.leading(place, settings), locked(folder) as notes:
            run = RunDir.create(folder, settings, overrides)
            launched.note_run(place, run.path)
            return attempt(settings, run, None, notes, started=started, quiet=quiet, objects=objects)
    except _REFUSALS:
        if not keeps_refused and RunDir(folder).discard_if_unused():
            Screen(quiet=quiet, highlight=False).print("nothing was trained: the run directory is removed")
        raise


def attempt(
    settings: Settings,
    run: RunDir,
    saved: SavedCheckpoint | None,
    notes: list[str],
    *,
    started: float,
    quiet: bool,
    setup: Setup | None = None,
    anyway: bool = False,
    objects: Objects = NONE,
) -> Ended:
    """Train a network from a checkpoint or from the first step, in a run directory that is locked.

    Args:
        settings: the settings of the run.
        run: the run directory.
        saved: the checkpoint to resume from; None to start at the first step.
        notes: the first lines of the log.
        started: the time at which the run was requested, in seconds since the epoch.
        quiet: whether to print nothing.
        setup: the device and the data, if they are set up already.
        anyway: go on with data that has changed since the checkpoint was written.
        objects: what takes the place of the config's model, data and callbacks.

    Raises:
        FastrunError: the run ended with an error, which is also in its directory.
    """
    clock = Clock(started)
    console = Screen(quiet=quiet, soft_wrap=True, highlight=False)
    with signals.listening(), logging_to(run, console), _recorded(run, settings):
        from fastrun.run import recovery

        settings, setup = _prepare(settings, run, saved, setup, anyway, objects)
        for note in notes:
            log.warning(note)
        log.info(f"run directory {run.path}")
        log.info(f"data: {setup.splits.in_words()}")
        if saved:
            log.info(f"going on from step {saved.step}")
        terminal = console if console.is_terminal and not quiet else None
        settings, result = recovery.fit_with_recovery(settings, run, setup, saved, clock, terminal)
        summary = _finish(settings, run, result, console)
    return Ended(run.path, summary, settings)


def _prepare(
    settings: Settings,
    run: RunDir,
    saved: SavedCheckpoint | None,
    setup: Setup | None,
    anyway: bool,
    objects: Objects,
) -> tuple[Settings, Setup]:
    """Return the settings with what was left open measured: the batch size and what is fastest; and device and data.

    Args:
        settings: the settings of the run.
        run: the run directory, whose config gets what was measured.
        saved: the checkpoint to resume from, or None.
        setup: the device and the data, if they are set up already.
        anyway: go on with data that has changed since the checkpoint was written.
        objects: what takes the place of the config's model, data and callbacks.
    """
    from fastrun.training.builders.loss import try_loss
    from fastrun.training.builders.metrics import try_metrics
    from fastrun.training.builders.setup import set_up
    from fastrun.training.trained.model import load_learned
    from fastrun.tune.auto.choose import choose

    requested = settings
    learned = load_learned(saved.path) if saved else None
    setup = setup or set_up(settings, learned, anyway=anyway, objects=objects)
    try_loss(settings, setup)
    settings = try_metrics(settings, setup)
    if settings.batch.kind == "auto":
        from fastrun.training.builders.batch_size import choose_batch_size

        settings = choose_batch_size(settings, setup)
    settings = choose(settings, setup)
    if settings is not requested:
        run.change(settings, ())
    return settings, setup


def _finish(settings: Settings, run: RunDir, result: FitResult, console: Screen) -> dict[str, Any]:
    """Write and show the results of a run that has finished, and return its summary."""
    from fastrun.run.summary import rows, summarize

    summary = summarize(settings, run, result, "finished")
    run.write_summary(summary)
    signals.hold()
    run.end("finished", 0)
    if result.tracker is not None:
        result.tracker.finish(summary)
    show(rows(summary, run), console)
    return summary


@contextmanager
def _recorded(run: RunDir, settings: Settings) -> Iterator[None]:
    """Mark the run as running, and record in its directory how it ends."""
    run.begin()
    try:
        with _interruptible(run, settings):
            yield
    except FastrunError as error:
        status = {Interrupted: "interrupted", Diverged: "diverged"}.get(type(error), "failed")
        _end(run, status, error.exit_code, error.render())
        raise
    except BaseException as error:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        status, code = ("interrupted", 130) if is_interrupted else ("failed", 1)
        _end(run, status, code, f"{type(error).__name__}: {error}")
        raise


def _end(run: RunDir, status: str, exit_code: int, text: str) -> None:
    """Record an end by an error. Errors of the disk are ignored here, since they may be the reason of the end."""
    with suppress(StorageError):
        log.error(text, exc_info=True, extra={"file_only": True})
    with suppress(StorageError):
        run.end(status, exit_code)


def _is_told(error: BaseException) -> bool:
    """Say whether an error is not due to a signal.

    A process that ended may have received the same signal, unless a launcher started it, which sends one afterwards.
    """
    return isinstance(error, FastrunError) and not (isinstance(error, ProcessEnded) and find_place() is None)


@contextmanager
def _interruptible(run: RunDir, settings: Settings) -> Iterator[None]:
    """Stop at a signal outside of training, and attribute errors after a signal to the signal."""
    try:
        signals.release()
        yield
    except (signals.Stopped, Exception) as error:
        signals.hold()
        if _is_told(error) or not signals.is_stop_requested():
            raise
        # a signal for all processes of a job ends workers in the middle of a step
        when = "while nothing was trained" if isinstance(error, signals.Stopped) else "in a step, which is lost"
        hint = None if settings.checkpoint.kind == "none" else f"go on with: fastrun resume {run.path}"
        raise Interrupted(signals.exit_signal(), f"stopped by a signal {when}", hint) from error
