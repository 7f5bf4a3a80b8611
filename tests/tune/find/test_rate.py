"""``find lr``: the suggestion, and that two searches are the same."""

from __future__ import annotations

from functools import cache
from math import inf, log10

import pytest
import torch

from fastrun.compose import compose
from fastrun.errors import ConfigError
from fastrun.tune.find import comparison
from fastrun.tune.find.effort import plan_effort, plan_tests
from fastrun.tune.find.isolation import isolated
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.range_test import bounds, run_range_test
from fastrun.tune.find.rate import RateResult, find_rate
from fastrun.tune.find.subject import Subject, prepare

SMALL = ["data=digits", "model=mlp", "model.hidden=[16]", "batch.size=64", "steps=40", "amp=off"]


def subject(*overrides: str) -> Subject:
    return prepare(compose([*SMALL, *overrides]))


def search(*overrides: str, **options: int) -> RateResult:
    with isolated(deterministic=False):
        return find_rate(subject(*overrides), Meter(), **options)


@cache
def found() -> RateResult:
    return search(seeds=2)


def test_the_best_of_the_short_runs_is_suggested_within_the_range() -> None:
    result = found()
    assert result.best.loss == min(candidate.loss for candidate in result.candidates)
    assert result.fall.begins < result.best.value < result.fall.diverges
    assert 5 <= len(result.candidates) <= 15
    assert result.steps == result.total_steps == 40
    assert {len(candidate.losses) for candidate in result.candidates} == {2}


def test_the_best_rate_has_worse_ones_on_both_sides() -> None:
    values = [candidate.value for candidate in found().candidates]
    assert values == sorted(values)
    assert values[0] < found().best.value < values[-1]
    assert all(f"{value:e}"[0] in "1235" for value in values)


def test_two_searches_are_the_same() -> None:
    torch.manual_seed(5)
    assert search(seeds=2) == found()


def test_the_present_rate_changes_nothing_but_a_rate_of_zero_is_no_rate() -> None:
    with isolated(deterministic=False):
        high = find_rate(subject("optimizer.lr=0.1"), Meter(), seeds=1, steps=30)
        zero = find_rate(subject("optimizer.lr=0"), Meter(), seeds=1, steps=30)
    assert high.best == zero.best


def test_a_rate_is_tried_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def loss(subject: Subject, settings, steps: int, meter: Meter) -> float:
        tried.append(settings.optimizer["lr"])
        return abs(log10(settings.optimizer["lr"] / 0.0004))

    monkeypatch.setattr(comparison, "short_run", loss)
    assert search(seeds=1).best.value in (0.0003, 0.0005)
    assert len(tried) == len(set(tried))


def test_the_search_goes_on_down_while_rates_diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(subject: Subject, settings, steps: int, meter: Meter) -> float:
        rate = settings.optimizer["lr"]
        return inf if rate > 1e-4 else 1 - rate

    monkeypatch.setattr(comparison, "short_run", loss)
    assert search(seeds=1).best.value == 1e-4
    monkeypatch.setattr(comparison, "short_run", lambda *_: inf)
    with pytest.raises(ConfigError, match="diverges with every rate"):
        search(seeds=1)


def test_of_rates_that_are_about_as_good_in_shorter_runs_the_lowest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(subject: Subject, settings, steps: int, meter: Meter) -> float:
        return 1 + 0.02 * abs(log10(settings.optimizer["lr"] / 0.01))

    monkeypatch.setattr(comparison, "short_run", loss)
    assert search(seeds=1).best.value == 0.01
    assert search(seeds=1, steps=30).best.value == 0.005


def test_groups_keep_the_ratio_of_their_rates() -> None:
    ends = subject("optimizer.layer_decay=0.5", "optimizer.lr_scale={*.bias:3}")
    test = run_range_test(ends, 0, 3e-3, 20, Meter())
    low, high = bounds(3e-3)
    assert test.rates[0] == pytest.approx(low)
    assert test.rates[len(test.losses) - 1] <= high


def test_an_optimizer_that_takes_the_network_works() -> None:
    assert search("optimizer=muon", seeds=1, steps=20).candidates


def test_a_loss_that_never_falls_is_said_so() -> None:
    with pytest.raises(ConfigError, match="no rate made the loss fall in 60 steps"):
        search("optimizer.lr_scale={*.weight:0,*.bias:0}", seeds=3, steps=60)


def test_a_loss_that_is_infinite_at_once_is_said_to_diverge(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = subject()
    ends.setup.learned.scale.fill_(inf)
    with isolated(deterministic=False), pytest.raises(ConfigError, match="diverges with every rate"):
        find_rate(ends, Meter(), seeds=1)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["device=ddp", "device.count=2"], "one process"),
        (["batch=auto"], "batch=auto"),
        (["early_stopping=budget", "early_stopping.seconds=5"], "early_stopping=budget"),
    ],
)
def test_what_cannot_be_repeated_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        subject(*overrides)
    assert caught.value.hint


def test_cheap_runs_are_tried_whole_and_with_several_seeds_and_others_as_far_as_a_minute_goes() -> None:
    assert plan_effort(1e-3, 400, 7, seeds=None, steps=None) == plan_effort(1e-4, 400, 7, seeds=None, steps=None)
    whole = plan_effort(1e-3, 400, 7, seeds=None, steps=None)
    assert (whole.seeds, whole.steps) == (9, 400)
    assert plan_effort(1e-2, 200, 7, seeds=None, steps=None).seeds == 3
    part = plan_effort(1e-2, 10_000, 7, seeds=None, steps=None)
    assert (part.seeds, part.steps) == (1, 857)
    least = plan_effort(1.0, 10_000, 7, seeds=None, steps=None)
    assert (least.seeds, least.steps) == (1, 100)
    assert plan_effort(1.0, 50, 7, seeds=None, steps=None).steps == 50
    asked = plan_effort(1.0, 10_000, 7, seeds=4, steps=30)
    assert (asked.seeds, asked.steps) == (4, 30)
    assert [plan_tests(cost, seeds=None, steps=None).seeds for cost in (1e-3, 0.08, 1.0)] == [3, 2, 1]
