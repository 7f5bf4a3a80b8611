"""Running a run: its directory, its log, its status, and what becomes of an error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrun.config.settings import Settings
from fastrun.errors import Diverged, FastrunError, Interrupted, StorageError
from fastrun.run.log import Screen, logging_to, show
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.checkpoint.select import select
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.system import signals
from fastrun.system.clock import Clock

if TYPE_CHECKING:
    from torch import nn

    from fastrun.training.builders.setup import Setup

log = logging.getLogger("fastrun")


@dataclass
class Run:
    """A run that has ended.

    Attributes:
        directory: the run directory.
        summary: what summary.json holds.
        settings: the config it ran with.
    """

    directory: Path
    summary: dict[str, Any] = field(repr=False)
    settings: Settings = field(repr=False)

    def load_model(self, checkpoint: str = "best") -> nn.Module:
        """Return the trained network on the CPU, in evaluation mode, its input scaling included.

        Args:
            checkpoint: ``best``, ``last``, or a path.

        Raises:
            CheckpointError: there is no such checkpoint.
        """
        from fastrun.training.evaluate import load_model

        path = select(RunDir(self.directory).checkpoints, checkpoint, self.settings.target.metric)
        return load_model(self.settings, path)


def train(settings: Settings, folder: Path, overrides: list[str], *, started: float, quiet: bool = False) -> Run:
    """Train from the first step, in a new run directory.

    Args:
        settings: the run, whole.
        folder: the run directory, which must not hold a run.
        overrides: what the command line said.
        started: when the run was asked for, in seconds since the epoch.
        quiet: print nothing.

    Raises:
        FastrunError: what ended the run; its directory says the same.
    """
    with locked(folder) as notes:
        run = RunDir.create(folder, settings, overrides)
        return attempt(settings, run, None, notes, started=started, quiet=quiet)


def attempt(
    settings: Settings,
    run: RunDir,
    saved: SavedCheckpoint | None,
    notes: list[str],
    *,
    started: float,
    quiet: bool,
    setup: Setup | None = None,
) -> Run:
    """Train from a checkpoint, or from the first step, in a run directory that is locked.

    Args:
        settings: the run, whole.
        run: its directory.
        saved: the checkpoint to go on from; None: the first step.
        notes: what the log is to begin with.
        started: when the run was asked for, in seconds since the epoch.
        quiet: print nothing.
        setup: device and data, where they are there already.

    Raises:
        FastrunError: what ended the run; its directory says the same.
    """
    clock = Clock(started)
    console = Screen(quiet=quiet, soft_wrap=True, highlight=False)
    with signals.listening(), logging_to(run, console), _recorded(run, settings):
        from fastrun.run import recovery
        from fastrun.run.summary import rows, summarize
        from fastrun.training.builders.setup import set_up

        setup = setup or set_up(settings)
        if settings.batch.kind == "auto":
            from fastrun.training.builders.batch_size import choose_batch_size

            settings = choose_batch_size(settings, setup)
            run.change(settings, ())
        for note in notes:
            log.warning(note)
        log.info(f"run directory {run.path}")
        if saved:
            log.info(f"going on from step {saved.step}")
        terminal = console if console.is_terminal and not quiet else None
        settings, result = recovery.fit_with_recovery(settings, run, setup, saved, clock, terminal)
        summary = summarize(settings, run, result, "finished")
        run.write_summary(summary)
        signals.hold()
        run.end("finished", 0)
        if result.tracker is not None:
            result.tracker.finish(summary)
        show(rows(summary, run), console)
    return Run(run.path, summary, settings)


@contextmanager
def _recorded(run: RunDir, settings: Settings) -> Iterator[None]:
    """Mark the run as running, and write how it ended into its directory, whatever ended it."""
    run.begin()
    try:
        with _interruptible(run, settings):
            yield
    except FastrunError as error:
        status = {Interrupted: "interrupted", Diverged: "diverged"}.get(type(error), "failed")
        _end(run, status, error.exit_code, error.show())
        raise
    except BaseException as error:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        status, code = ("interrupted", 130) if is_interrupted else ("failed", 1)
        _end(run, status, code, f"{type(error).__name__}: {error}")
        raise


def _end(run: RunDir, status: str, exit_code: int, text: str) -> None:
    """Write down an end by an error, as far as the disk lets: it may be what failed, and the error is to be told."""
    with suppress(StorageError):
        log.error(text, exc_info=True, extra={"file_only": True})
    with suppress(StorageError):
        run.end(status, exit_code)


@contextmanager
def _interruptible(run: RunDir, settings: Settings) -> Iterator[None]:
    """Stop at a signal where the run is not training, and blame the signal for what else goes wrong after one."""
    try:
        signals.release()
        yield
    except (signals.Stopped, Exception) as error:
        signals.hold()
        if isinstance(error, FastrunError) or not signals.is_stop_requested():
            raise
        # a signal for all processes of a job ends workers in the middle of a step
        when = "while nothing was trained" if isinstance(error, signals.Stopped) else "in a step, which is lost"
        hint = None if settings.checkpoint.kind == "none" else f"go on with: fastrun resume {run.path}"
        raise Interrupted(signals.exit_signal(), f"stopped by a signal {when}", hint) from error
