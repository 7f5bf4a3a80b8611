"""Resuming what plugins of Hydra decide: a search, or jobs of another launcher. The command line is composed again."""

from __future__ import annotations

from pathlib import Path

from fastrun import compose
from fastrun.config.settings import SweepConfig
from fastrun.errors import UsageError
from fastrun.redaction import is_secret
from fastrun.storage.job import JobRecord, JobSource, Launching
from fastrun.storage.lock import locked
from fastrun.storage.stored_arguments import hydra_arguments
from fastrun.sweep import external_job
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.resume import changed_settings, remaining_jobs, settled_record
from fastrun.sweep.runner import carry_out, conclude

_LAUNCHER = "hydra/launcher", "hydra.launcher"


def is_needed(folder: Path) -> bool:
    """Say whether a sweep is a search, or was run by another launcher than ours."""
    definition = Ledger(folder).definition()
    return definition.get("kind") == "optuna" or definition.get("launcher", "fastrun") != "fastrun"


def resume(folder: Path, overrides: list[str], with_failed: bool) -> list[JobRecord]:
    """Run the jobs of a sweep that have not ended, and the trials that a search has not started.

    Raises:
        ConfigError: an override of something that cannot change.
        InUse: the sweep, or a job of it, runs.
        Interrupted: a signal stopped it.
        UsageError: trials of a search that failed are to be tried again.
    """
    ledger = Ledger.open(folder)
    definition = ledger.definition()
    is_search = definition.get("kind") == "optuna"
    if with_failed and is_search:
        raise UsageError("a trial that failed tells a search something, too", "more trials: hydra.sweeper.n_trials=…")
    secrets = [key for key in (text.partition("=")[0] for text in overrides) if is_secret(key)]  # which no file keeps
    settings = changed_settings(
        ledger, overrides, (*_LAUNCHER, *(["hydra.sweeper.n_trials", *secrets] if is_search else []))
    )
    with locked(folder):

        def go_on(_: Path, source: JobSource, __: SweepConfig, launch: Launching | None) -> list[JobRecord]:
            if is_search:
                for number in [number for number in ledger.numbers() if ledger.record(number)]:
                    source.ended(settled_record(ledger, number, settings))
                Ledger.create(folder, source, settings)
            else:
                source = remaining_jobs(ledger, settings, with_failed)
            return conclude(ledger, carry_out(ledger, source, settings, launch))

        compose.run(["-m", *_arguments(ledger, is_search, overrides)], external_job.run, go_on, folder)
    return ledger.records()


def _arguments(ledger: Ledger, is_search: bool, overrides: list[str]) -> list[str]:
    """Return the command line of the sweep with new overrides; a new launcher replaces the old one's settings."""
    definition = ledger.definition()
    of_hydra = list(hydra_arguments(definition.get("hydra"), ledger.folder))
    if any(text.startswith("hydra/launcher=") for text in overrides):
        of_hydra = [text for text in of_hydra if not text.lstrip("+").startswith(_LAUNCHER)]
    return [*of_hydra, *(definition.get("arguments", []) if is_search else []), *overrides]
