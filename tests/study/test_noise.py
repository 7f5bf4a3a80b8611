"""Whether a target is said to be noisy, on pilot runs whose noise is planted."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fastrun.config.monitor import Monitor
from fastrun.study.noise import warn_of_noise
from fastrun.study.target import Target

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from planted import pilot_walks

sys.path.pop(0)


@pytest.mark.parametrize(("metric", "sign"), [("val/acc", 1.0), ("val/loss", -1.0)])
@pytest.mark.parametrize(("noise", "least", "most"), [(0.0, 0, 0), (0.25, 0, 0.02), (0.5, 0, 0.05), (2.0, 0.5, 1)])
def test_a_target_is_said_to_be_noisy_where_a_longer_run_gains_less_than_chance(
    metric: str, sign: float, noise: float, least: float, most: float
) -> None:
    random, target = (
        np.random.default_rng(0),
        Target(metric, 0.0, "given", "given", Monitor.of(metric).higher_is_better),
    )
    warned = np.mean([bool(warn_of_noise(target, pilot_walks(noise, random, sign))) for _ in range(200)])
    assert least <= warned <= most


def test_the_warning_says_how_much_and_what_to_do() -> None:
    drawn = [{0: 0.91, -1: 0.93, -2: 0.9, 1: 0.89}, {0: 0.9, -1: 0.9, -2: 0.94, 1: 0.92}]
    text = warn_of_noise(Target("val/acc", 0.9, "given", "given", higher_is_better=True), drawn)
    assert text.startswith("val/acc varies by 0.0")
    assert "start again with more validation data, or a smoother metric, such as target.metric=val/loss" in text
    assert (
        "val/loss"
        not in warn_of_noise(Target("val/loss", 0.9, "given", "given", higher_is_better=False), drawn)[
            len("val/loss") :
        ]
    )


def test_too_few_runs_say_nothing() -> None:
    target = Target("val/acc", 0.9, "given", "given", higher_is_better=True)
    assert warn_of_noise(target, [{0: 0.95, -1: 0.8}, {0: 0.8, -1: 0.95}]) == ""
    assert warn_of_noise(target, [{0: 0.5, 4: 0.6}] * 3) == ""
