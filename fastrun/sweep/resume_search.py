"""Going on with a search: trials that were stopped, then new ones, up to the total."""

from __future__ import annotations

from pathlib import Path

from fastrun import hydra_app
from fastrun.errors import UsageError
from fastrun.job import Launch, Row, Source
from fastrun.lock import locked
from fastrun.settings import Sweep
from fastrun.sweep import alone
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.resume import changed, found
from fastrun.sweep.run import carry_out, conclude

_MAY = ("hydra.sweeper.n_trials",)


def is_search(folder: Path) -> bool:
    """Say whether a sweep chooses its jobs while it runs."""
    return Ledger(folder).asked().get("kind") == "optuna"


def resume(folder: Path, overrides: list[str], with_failed: bool) -> list[Row]:
    """Say the command line again that began the search, over the same journal.

    Raises:
        ConfigError: an override of something that cannot change.
        InUse: the search, or a trial of it, runs.
        Interrupted: a signal stopped it.
        UsageError: what failed is to be tried again.
    """
    if with_failed:
        raise UsageError("a trial that failed tells a search something, too", "more trials: hydra.sweeper.n_trials=…")
    ledger = Ledger.open(folder)
    settings = changed(ledger, overrides, _MAY)
    with locked(folder):
        before = [found(ledger, number, settings) for number in ledger.numbers() if ledger.row(number)]

        def go_on(_: Path, source: Source, settings: Sweep, launch: Launch | None) -> list[Row]:
            for row in before:
                source.ended(row)
            Ledger.create(folder, source, settings)
            return conclude(ledger, carry_out(ledger, source, settings, launch))

        hydra_app.run(["-m", *ledger.asked()["arguments"], *overrides], alone.run, go_on, folder)
    return ledger.rows()
