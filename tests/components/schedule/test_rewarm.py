"""The warmup from the last rate of a run to the curve of its new length."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from fastrun.components.schedule import Cycling, Watching
from fastrun.components.schedule.build import build_curve
from fastrun.components.schedule.plateau import Plateau
from fastrun.components.schedule.rewarm import Extension, rewarmed
from fastrun.config import registry
from fastrun.errors import ConfigError

OPTIONS = sorted(registry.shipped_options("schedule"))


@cache
def shipped(option: str) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.load(registry.shipped_option("schedule", option).path))
    return content


def config(option: str, **values: Any) -> dict[str, Any]:
    return shipped(option) | values


def factors(config: dict[str, Any], total: int) -> list[float]:
    curve = build_curve(config, steps_per_epoch=max(1, total // 10), total_steps=total)
    return [curve(step) for step in range(total)]


@given(st.sampled_from(OPTIONS), st.integers(40, 400), st.floats(0, 0.95), st.floats(0, 1))
@example("onecycle", 400, 0.5, 4e-6)
def test_the_rate_never_jumps_by_more_than_the_slope_of_the_warmup(
    option: str, total: int, done: float, last: float
) -> None:
    step = max(1, int(done * total))
    extension = Extension.at(step, last, total)
    assert extension is not None
    plain = factors(config(option), total)
    rates = factors(config(option, extended=vars(extension)), total)
    end = step + extension.steps
    slope = abs(plain[end] - last) / (extension.steps + 1)
    path = [last, *rates[step : end + 1]]
    assert all(abs(after - before) <= slope + 1e-12 for before, after in pairwise(path))
    assert rates[:step] == plain[:step]
    assert rates[end:] == plain[end:]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_the_warmup_takes_a_few_percent_and_ends_before_the_run_does(step: int, remaining: int) -> None:
    extension = Extension.at(step, 0.0, step + remaining)
    assert (extension is None) == (remaining == 1)
    if extension is not None:
        assert 1 <= extension.steps < remaining
        assert extension.steps <= max(1, 0.05 * remaining + 0.5)


def test_a_warmup_that_is_longer_than_a_shortened_run_ends_with_it() -> None:
    rates = factors(config("constant", extended={"step": 10, "factor": 0.0, "steps": 100}), 20)
    assert rates[10:] == pytest.approx([(number + 1) / 10 for number in range(10)])
    assert factors(config("constant", extended={"step": 19, "factor": 0.0, "steps": 5}), 20) == [1.0] * 20


def test_momentum_still_cycles_and_validations_still_count() -> None:
    extension = Extension(5, 0.25, 3)
    cycling = build_curve(config("onecycle", momentum=[0.85, 0.95]), steps_per_epoch=10, total_steps=40)
    assert isinstance(cycling, Cycling)
    warmed = rewarmed(cycling, extension, 40)
    assert isinstance(warmed, Cycling)
    assert [warmed.momentum(step) for step in range(40)] == [cycling.momentum(step) for step in range(40)]
    watching = rewarmed(Plateau(factor=0.5, patience=0), extension, 40)
    assert isinstance(watching, Watching)
    watching.judge(1.0, True)
    watching.judge(1.0, True)
    assert [watching(step) for step in range(4, 10)] == pytest.approx([0.5, 0.3125, 0.375, 0.4375, 0.5, 0.5])


@pytest.mark.parametrize("word", ["rewarn", 1, ["rewarm"]])
def test_a_word_that_is_no_choice_is_refused(word: Any) -> None:
    with pytest.raises(ConfigError, match=r"schedule\.on_extend="):
        factors(config("cosine", on_extend=word), 40)


@pytest.mark.parametrize(
    "extended",
    [
        "rewarm",
        {"step": 3},
        {"step": -1, "factor": 0.5, "steps": 2},
        {"step": 3, "factor": float("nan"), "steps": 2},
        {"step": 3, "factor": 0.5, "steps": 0},
        {"step": True, "factor": 0.5, "steps": 2},
        {"step": 3, "factor": 0.5, "steps": 2, "more": 1},
    ],
)
def test_what_fastrun_does_not_write_is_refused(extended: Any) -> None:
    with pytest.raises(ConfigError, match="is not what fastrun writes there"):
        factors(config("cosine", extended=extended), 40)
