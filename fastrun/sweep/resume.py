"""Going on with a sweep: what is missing, what was stopped and, if asked for, what failed."""

from __future__ import annotations

from pathlib import Path

from fastrun import hydra_app
from fastrun.errors import ConfigError, InUse
from fastrun.job import FAILED, UNFINISHED, Job, Listed, Row, Source
from fastrun.lock import locked
from fastrun.rundir import RunDir
from fastrun.settings import Sweep
from fastrun.span import seconds_in
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.run import carry_out, conclude

_MAY = ("sweep.jobs", "sweep.timeout", "sweep.grace")


def resume(folder: Path, overrides: list[str], with_failed: bool) -> list[Row]:
    """Run the jobs of a sweep that have not ended, from their newest checkpoint where there is one.

    Args:
        folder: the sweep's.
        overrides: other values of ``sweep.jobs``, ``sweep.timeout`` and ``sweep.grace``.
        with_failed: run what failed or diverged as well.

    Raises:
        CheckpointError: there is no sweep in the folder.
        ConfigError: an override of something else.
        InUse: the sweep, or a job of it, runs.
        Interrupted: a signal stopped it.
    """
    ledger = Ledger.open(folder)
    settings = changed(ledger, overrides)
    with locked(folder):
        number = carry_out(ledger, left(ledger, settings, with_failed), settings)
    return conclude(ledger, number)


def left(ledger: Ledger, settings: Sweep, with_failed: bool) -> Source:
    """Return the jobs that have not ended, and those that failed if wanted.

    Raises:
        InUse: one of them runs.
    """
    rows = [found(ledger, number, settings) for number in ledger.expected()]
    wanted = (*UNFINISHED, *(FAILED if with_failed else ()))
    return Listed([job_of(ledger, row) for row in rows if row.state in wanted], ledger.asked())


def changed(ledger: Ledger, overrides: list[str], may: tuple[str, ...] = ()) -> Sweep:
    """Return how a sweep is to go on.

    Raises:
        ConfigError: an override of something else than that, or the keys that may change as well.
    """
    known = (*_MAY, *may)
    for override in overrides:
        if not override.lstrip("+").startswith(tuple(f"{key}{end}" for key in known for end in "=.")):
            raise ConfigError(
                f"{override}: the jobs of a sweep stay as they are", f"what may change: {', '.join(known)}"
            )
    own = [override for override in overrides if override.startswith("sweep.")]
    return hydra_app.frozen({"sweep": ledger.asked().get("sweep", {})}, own).sweep


def job_of(ledger: Ledger, row: Row) -> Job:
    """Return the job that a row is of."""
    return Job(row.number, row.own, row.said, hydra_app.frozen(row.config, []), ledger.run(row).path)


def found(ledger: Ledger, number: int, settings: Sweep) -> Row:
    """Return a job's row, and write it anew from what its run directory says where it says running or is broken.

    Raises:
        InUse: the job runs.
    """
    row = ledger.row(number)
    if row is not None and row.state != "running":
        return row
    row = row or _again(ledger, number)
    run = ledger.run(row)
    if not outcome.has_ended(run, seconds_in(settings.grace, "sweep.grace")):
        raise InUse(f"{run.path} is running in process {row.pid}", "wait for it, or stop it")
    if run.path.is_dir():
        outcome.settle(row, run)
    else:
        row.state = "waiting"
    ledger.write(row)
    return row


def _again(ledger: Ledger, number: int) -> Row:
    """Compose a job again, whose row is gone."""
    own, said = ledger.overrides(number)
    found = sorted(ledger.folder.glob(f"{number}-*/config.yaml"))
    settings = hydra_app.frozen(RunDir(found[0].parent).config(), []) if found else hydra_app.compose(said)
    folder = found[0].parent if found else ledger.folder / f"{number}-again"
    return Row.of(Job(number, own, said, settings, folder))
