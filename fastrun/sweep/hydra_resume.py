"""Going on with what plugins of Hydra decide: a search, or jobs of another launcher. The command line is said again."""

from __future__ import annotations

from pathlib import Path

from fastrun import hydra_app
from fastrun.errors import UsageError
from fastrun.job import Launch, Row, Source
from fastrun.lock import locked
from fastrun.redaction import is_secret
from fastrun.settings import Sweep
from fastrun.sweep import alone
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.resume import changed, found, left
from fastrun.sweep.run import carry_out, conclude

_LAUNCHER = "hydra/launcher", "hydra.launcher"


def is_needed(folder: Path) -> bool:
    """Say whether a sweep is a search, or was run by another launcher than ours."""
    asked = Ledger(folder).asked()
    return asked.get("kind") == "optuna" or asked.get("launcher", "fastrun") != "fastrun"


def resume(folder: Path, overrides: list[str], with_failed: bool) -> list[Row]:
    """Run the jobs of a sweep that have not ended, and the trials that a search has not got to.

    Raises:
        ConfigError: an override of something that cannot change.
        InUse: the sweep, or a job of it, runs.
        Interrupted: a signal stopped it.
        UsageError: trials of a search that failed are to be tried again.
    """
    ledger = Ledger.open(folder)
    asked = ledger.asked()
    is_search = asked.get("kind") == "optuna"
    if with_failed and is_search:
        raise UsageError("a trial that failed tells a search something, too", "more trials: hydra.sweeper.n_trials=…")
    secrets = [key for key in (text.partition("=")[0] for text in overrides) if is_secret(key)]  # which no file keeps
    settings = changed(ledger, overrides, (*_LAUNCHER, *(["hydra.sweeper.n_trials", *secrets] if is_search else [])))
    with locked(folder):

        def go_on(_: Path, source: Source, __: Sweep, launch: Launch | None) -> list[Row]:
            if is_search:
                for row in [found(ledger, number, settings) for number in ledger.numbers() if ledger.row(number)]:
                    source.ended(row)
                Ledger.create(folder, source, settings)
            else:
                source = left(ledger, settings, with_failed)
            return conclude(ledger, carry_out(ledger, source, settings, launch))

        hydra_app.run(["-m", *_again(asked, is_search, overrides)], alone.run, go_on, folder)
    return ledger.rows()


def _again(asked: dict[str, list[str]], is_search: bool, overrides: list[str]) -> list[str]:
    """Return what to tell Hydra: what it was told, but for what is told anew."""
    said = asked.get("hydra", [])
    if any(text.startswith("hydra/launcher=") for text in overrides):
        said = [text for text in said if not text.lstrip("+").startswith(_LAUNCHER)]
    return [*said, *(asked["arguments"] if is_search else []), *overrides]
