"""Train a network; with -m, one for each combination of options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastrun.errors import FastrunError, Interrupted

if TYPE_CHECKING:
    from fastrun.settings import Settings


def run(arguments: list[str]) -> int:
    """Pass the arguments to Hydra, whose whole grammar they may use."""
    from fastrun import execute, hydra_app
    from fastrun.sweep.table import Row, show

    if "-m" not in arguments and "--multirun" not in arguments:
        hydra_app.run(arguments, execute.train)
        return 0
    rows: list[Row] = []

    def job(settings: Settings, folder: Path, overrides: list[str]) -> None:
        try:
            done = execute.train(settings, folder, overrides)
            rows.append(Row(overrides, folder, done.summary))
        except FastrunError as error:
            print(error.show())
            rows.append(Row(overrides, folder, None, error))
            if isinstance(error, Interrupted):
                raise

    try:
        hydra_app.run(arguments, job)
    finally:
        if rows:
            show(rows)
    return next((row.error.exit_code for row in rows if row.error), 0)
