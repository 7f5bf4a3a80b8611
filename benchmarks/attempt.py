"""One run of fastrun in a temporary folder, on the path of ``fastrun train``: Lightning, callbacks, metrics.jsonl."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastrun.config.settings import Settings
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import Clock
from fastrun.training.builders.setup import set_up
from fastrun.training.fit import FitResult, fit


@dataclass(frozen=True)
class Attempt:
    """A run that ended, and the lines of its metrics.jsonl."""

    outcome: FitResult
    lines: list[dict[str, Any]]


def attempt(settings: Settings, clock: Clock | None = None) -> Attempt:
    """Train."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        run = RunDir.create(Path(folder) / "run", settings, [])
        outcome = fit(settings, run, set_up(settings), None, clock or Clock(time.time()), None)
        return Attempt(outcome, run.lines())


def halves(settings: Settings, steps: int) -> Settings:
    """Return the settings of a run of twice as many steps that validates in the middle and at the end only."""
    return replace(settings, steps=2 * steps, val_every=str(steps))


def seconds_of_second_half(lines: list[dict[str, Any]]) -> float:
    """Return the training time of the second half of such a run; the first was its warm-up.

    A validation stops the training clock, on a GPU after waiting for it, so both ends of the half are exact.
    """
    middle, end = (line["train_seconds"] for line in lines if "val/loss" in line)
    return float(end - middle)
