"""``find KEY``: the value that is suggested, and when the present one stays."""

from __future__ import annotations

from math import inf

import pytest

from fastrun.compose import compose
from fastrun.errors import ConfigError
from fastrun.tune.find import comparison
from fastrun.tune.find.isolation import isolated
from fastrun.tune.find.key import find_number
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.number import NumberResult, find_value
from fastrun.tune.find.subject import prepare

SMALL = ["data=digits", "model=mlp", "model.hidden=[16]", "batch.size=64", "steps=20", "amp=off"]


def search(what: str, *overrides: str, **options: int) -> NumberResult:
    settings = compose([*SMALL, *overrides])
    with isolated(deterministic=False):
        return find_value(prepare(settings), find_number(settings, what), Meter(), **options)


def test_a_momentum_is_found_for_sgd() -> None:
    result = search("momentum", "optimizer=sgd", "optimizer.lr=0.02", seeds=2)
    assert result.best.value >= 0.7
    assert result.suggestion is result.best
    assert result.present.value == 0
    assert result == search("momentum", "optimizer=sgd", "optimizer.lr=0.02", seeds=2)


def test_a_value_that_is_not_better_with_every_seed_does_not_replace_the_present_one(monkeypatch) -> None:
    losses = {(1e-2, 0): 1.0, (1e-2, 1): 1.0, (1e-2, 2): 1.0, (3e-2, 0): 0.5, (3e-2, 1): 0.5, (3e-2, 2): 1.1}
    monkeypatch.setattr(
        comparison,
        "short_run",
        lambda _, settings, *__: losses.get((settings.optimizer["weight_decay"], settings.seed), 2.0),
    )
    result = search("optimizer.weight_decay", seeds=3)
    assert (result.best.value, result.suggestion.value) == (0.03, 0.01)


def test_the_grid_goes_on_where_its_end_is_best(monkeypatch) -> None:
    monkeypatch.setattr(comparison, "short_run", lambda _, settings, *__: -settings.clip.max)
    result = search("clip.max", "clip=norm", seeds=1)
    assert [candidate.value for candidate in result.candidates] == [0.1, 0.3, 1, 3, 10, 30, 90]
    assert result.suggestion.value == 90


def test_a_schedule_that_sets_the_momentum_is_named() -> None:
    with pytest.raises(ConfigError, match=r"schedule\.momentum sets it"):
        search("momentum", "schedule.momentum=[0.8,0.9]")


def test_values_that_all_diverge_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(comparison, "short_run", lambda *_: inf)
    with pytest.raises(ConfigError, match=r"diverges with every clip\.max"):
        search("clip.max", "clip=norm", seeds=1)
