"""A short run as long as the run is the run: the same steps, and the same loss to the last bit."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.components.metrics import Metrics
from fastrun.compose import compose
from fastrun.tune.find.isolation import isolated
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.short_run import short_run
from fastrun.tune.find.subject import prepare

SMALL = ["data=synthetic", "data.shape=[4]", "data.samples=300", "model=mlp", "model.hidden=[8]", "batch.size=16"]


def loss_of(overrides: list[str], steps: int) -> float:
    subject = prepare(compose(overrides))
    return short_run(subject, subject.settings, steps, Meter())


OPTIONS = [
    ["schedule=onecycle", "schedule.momentum=[0.85,0.95]", "schedule.warmup=10%"],
    ["schedule=plateau", "schedule.patience=0", "schedule.factor=0.1", "val_every=4"],
    ["ema=ema", "clip=norm", "model.dropout=0.2"],
    ["ema=swa", "ema.start=1ep", "norm=batch", "ema.refit=2"],
    ["optimizer=schedulefree", "schedule=constant", "amp=bf16"],
    ["optimizer=muon", "batch.accumulate=2", "optimizer.layer_decay=0.8"],
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options[0])
def test_at_full_length_the_loss_is_that_of_the_run(folder: Path, options: list[str]) -> None:
    overrides = [*SMALL, "steps=24", *options]
    summary = fastrun.train([*overrides, "target.metric=val/loss", "checkpoint.keep=0"], quiet=True)
    last = (summary.directory / "metrics.jsonl").read_text().splitlines()[-1]
    assert f'"val/loss": {loss_of([*overrides, "target.metric=val/loss"], 24)!r}' in last


def test_a_body_that_is_frozen_at_first_trains_as_in_the_run(folder: Path) -> None:
    overrides = [*SMALL, "norm=batch", "steps=24", "transfer=finetune", "transfer.freeze=8"]
    source = fastrun.train([*SMALL, "norm=batch", "steps=4", "name=source"], quiet=True).directory
    overrides.append(f"transfer.source={source}")
    run = fastrun.train(overrides, quiet=True)
    last = (run.directory / "metrics.jsonl").read_text().splitlines()[-1]
    assert f'"val/loss": {loss_of(overrides, 24)!r}' in last


def test_lengths_in_steps_and_epochs_are_shortened_as_the_run_is() -> None:
    long = ["epochs=50", "schedule=cosine", "schedule.warmup=2ep", "ema=swa", "ema.start=40ep", "ema.every=1ep"]
    assert 0 < loss_of([*SMALL, *long], 20) < 5


def test_the_loss_of_a_run_that_diverges_is_infinite() -> None:
    assert loss_of([*SMALL, "steps=30", "optimizer=sgd", "optimizer.lr=1e30", "schedule=constant"], 30) == inf


def test_a_large_validation_set_is_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    measure = Metrics.measure

    def counting(self: Metrics, outputs) -> dict[str, float]:
        pairs = list(outputs)
        measured.append(sum(len(y) for _, y in pairs))
        return measure(self, pairs)

    monkeypatch.setattr(Metrics, "measure", counting)
    loss_of([*SMALL, "data.samples=12000", "steps=10"], 10)
    assert measured
    assert 500 <= measured[0] <= 1000


def test_random_numbers_are_those_before(folder: Path) -> None:
    before = torch.get_rng_state()
    with isolated(deterministic=True):
        loss_of([*SMALL, "steps=4", "model.dropout=0.5"], 4)
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert list(folder.iterdir()) == []
