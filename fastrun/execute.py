"""Running a run: its directory, its log, its status, and what becomes of an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrun import signals
from fastrun.clock import Clock, process_start
from fastrun.console import Screen, logging_to, show
from fastrun.errors import CheckpointError, Diverged, FastrunError, Interrupted, StorageError
from fastrun.lock import locked
from fastrun.rundir import RunDir
from fastrun.saved import Saved
from fastrun.settings import Settings

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger("fastrun")

_started = [process_start()]  # of the first run in this process; later ones start when they are asked for


def forked(started: float) -> None:
    """Take note that this process is a copy of another and began only now, in seconds since the epoch."""
    _started[:] = [started]


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
        from fastrun import assemble

        return assemble.load_model(self.settings, checkpoint_of(RunDir(self.directory), checkpoint, self.settings))


def train(settings: Settings, folder: Path, overrides: list[str], quiet: bool = False) -> Run:
    """Train from the first step, in a new run directory.

    Raises:
        FastrunError: what ended the run; its directory says the same.
    """
    with locked(folder) as notes:
        run = RunDir.create(folder, settings, overrides)
        return _attempt(settings, run, None, quiet, notes)


def resume(
    settings: Settings, run: RunDir, overrides: Sequence[str] = (), quiet: bool = False, inexact: bool = False
) -> Run:
    """Go on from the newest good checkpoint, with other values if there are overrides.

    A run that ended before its first checkpoint starts at its first step, and says so.

    Args:
        settings: the run's, the overrides among them.
        run: its directory.
        overrides: what the command line said beside it.
        quiet: print nothing.
        inexact: go on with another number of processes, too, though its steps are others then.

    Raises:
        CheckpointError: no checkpoint is whole, none is kept, or it is of another network; nothing is changed then.
        ConfigError: the run is past its last step already, or had another number of processes.
        InUse: another process has the run.
        FastrunError: what ended the run.
    """
    with locked(run.path) as notes:
        if run.is_unsaved() and settings.checkpoint.kind != "none":
            saved, step = None, 0
            notes.append("no checkpoint yet: starting from the first step")
        else:
            saved, broken = run.newest_good()
            step = saved.step
            notes += [f"{one.path.name} is damaged: passed over" for one in broken]
        if overrides:
            if saved is not None:
                from fastrun import assemble

                assemble.check_fits(settings, saved, inexact)
            run.change(settings, overrides)
        run.forget_after(step)
        return _attempt(settings, run, saved, quiet, notes)


def checkpoint_of(run: RunDir, which: str, settings: Settings) -> Path:
    """Return the path of the ``best`` or ``last`` whole checkpoint of a run, or of one given as a path.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if which == "last":
        return run.newest_good()[0].path
    if which != "best":
        path = Path(which)
        if not path.is_file():
            reason = "is a folder" if path.is_dir() else "does not exist"
            raise CheckpointError(f"{path} {reason}", "--ckpt takes best, last or a checkpoint's path")
        return path
    from fastrun.metric import judged

    good = [saved for saved in run.saved() if saved.metrics and saved.is_good()]
    metric = judged(settings.target.metric, good[0].metrics if good else ())
    measured = [saved for saved in good if metric.name in saved.metrics]
    if not measured:
        return run.newest_good()[0].path
    sign = 1 if metric.higher_is_better else -1
    return max(measured, key=lambda saved: (sign * saved.metrics[metric.name], -saved.step)).path


def _attempt(settings: Settings, run: RunDir, saved: Saved | None, quiet: bool, notes: list[str]) -> Run:
    clock = Clock(_started.pop() if _started else time.time())
    console = Screen(quiet=quiet, soft_wrap=True, highlight=False)
    with signals.listening(), logging_to(run, console), _recorded(run, settings):
        from fastrun import recovery
        from fastrun.summary import rows, summarize

        if settings.batch.kind == "auto":
            from fastrun import batch_size

            settings = batch_size.settled(settings)
            run.change(settings, ())
        for note in notes:
            log.warning(note)
        log.info(f"run directory {run.path}")
        if saved:
            log.info(f"going on from step {saved.step}")
        terminal = console if console.is_terminal and not quiet else None
        settings, outcome = recovery.trained(settings, run, saved, clock, terminal)
        summary = summarize(settings, run, outcome, "finished")
        run.write_summary(summary)
        signals.hold()
        run.end("finished", 0)
        if outcome.tracker is not None:
            outcome.tracker.finish(summary)
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
        interrupted = isinstance(error, KeyboardInterrupt)
        status, code = ("interrupted", 130) if interrupted else ("failed", 1)
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
    """Break off at a signal where the run is not training, and blame it for what else goes wrong after one."""
    try:
        signals.release()
        yield
    except (signals.Stopped, Exception) as error:
        signals.hold()
        if isinstance(error, FastrunError) or not signals.caught():
            raise
        # a signal for all processes of a job ends workers in the middle of a step
        when = "while nothing was trained" if isinstance(error, signals.Stopped) else "in a step, which is lost"
        hint = None if settings.checkpoint.kind == "none" else f"go on with: fastrun resume {run.path}"
        raise Interrupted(signals.number(), f"stopped by a signal {when}", hint) from error
