"""``find batch``: the samples that sizes need, and what is suggested from them."""

from __future__ import annotations

import pytest

from fastrun.components.batch.size_search import BatchSizeResult
from fastrun.compose import compose
from fastrun.errors import ConfigError, DataError
from fastrun.tune.find import batch as module
from fastrun.tune.find.batch import BatchResult, find_batch
from fastrun.tune.find.critical import Branch, Branching, factor_of
from fastrun.tune.find.isolation import isolated
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.subject import prepare

SMALL = ["data=digits", "model=mlp", "model.hidden=[16]", "batch.size=32", "steps=40", "amp=off", "schedule=constant"]


def search(monkeypatch: pytest.MonkeyPatch, full_from: int, *overrides: str, **options: int) -> BatchResult:
    """Search with a throughput that does not rise any more from a size on."""
    sizes = BatchSizeResult({size: float(min(size, full_from)) for size in (8, 16, 32, 64, 128, 256)}, is_full=False)
    monkeypatch.setattr(module, "measure_sizes", lambda *_, **__: sizes)
    with isolated(deterministic=False):
        return find_batch(prepare(compose([*SMALL, *overrides])), Meter(), **options)


def test_the_critical_size_is_the_largest_that_needs_at_most_twice_the_fewest_samples(monkeypatch) -> None:
    result = search(monkeypatch, 64, seeds=1)
    assert [branch.size for branch in result.branches[:3]] == [8, 16, 32]
    fewest = min(branch.samples for branch in result.branches)
    efficient = [branch.size for branch in result.branches if branch.samples <= 2 * fewest]
    assert result.critical == max(efficient) > 32
    assert result.is_at_least == (result.critical == result.branches[-1].size)
    assert result.rule == "sqrt"
    assert result.size == min(64, result.critical)
    assert result == search(monkeypatch, 64, seeds=1)


def test_the_rate_follows_the_size(monkeypatch) -> None:
    sgd = "optimizer=nesterov", "optimizer.lr=0.02"
    assert search(monkeypatch, 16, *sgd, seeds=1).overrides == ["batch.size=16", "optimizer.lr=0.01"]
    assert search(monkeypatch, 8, seeds=1).overrides == ["batch.size=8", "optimizer.lr=0.0015"]


@pytest.mark.slow
def test_rates_that_follow_the_size_by_themselves_or_are_several(monkeypatch) -> None:
    scaled = search(monkeypatch, 8, "batch.lr_scaling=linear", "batch.base_size=32", seeds=1)
    assert (scaled.overrides, scaled.rule) == (["batch.size=8"], "linear")
    muon = search(monkeypatch, 8, "optimizer=muon", seeds=1)
    assert muon.overrides == ["batch.size=8", "optimizer.lr=0.01", "optimizer.adamw_lr=0.0015"]


@pytest.mark.slow
def test_no_larger_size_is_suggested_than_the_critical_one(monkeypatch) -> None:
    result = search(monkeypatch, 256, seeds=1, steps=20)
    assert result.size == min(256, result.critical)


def test_rates_are_multiplied_by_the_ratio_or_its_root() -> None:
    assert (factor_of("linear", 4), factor_of("sqrt", 4)) == (4, 2)


def test_a_branch_goes_on_from_the_same_state_for_each_size(monkeypatch) -> None:
    branching = Branching(prepare(compose(SMALL)), "sqrt", 20, 2, Meter())
    again = branching.measure(32)
    assert again == Branch(32, 1.0, branching.branches[0].needed)


def test_a_training_set_that_is_too_small_and_a_loss_that_does_not_fall_are_refused(monkeypatch) -> None:
    with pytest.raises(DataError, match=r"has only \d+ samples"):
        search(monkeypatch, 8, "data=synthetic", "data.samples=80")
    with pytest.raises(ConfigError, match="does not fall"):
        search(monkeypatch, 8, "optimizer.lr_scale={*.weight:0,*.bias:0}", "norm=none")
    with pytest.raises(ConfigError, match="diverges before batches"):
        search(monkeypatch, 8, "optimizer=sgd", "optimizer.lr=1e30")
