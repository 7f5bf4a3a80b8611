"""Time to 91 % test accuracy on Fashion-MNIST: fastrun beside a stand-in for the usual template, from the same start.

    python benchmarks/fashion.py [--root ../shared/data/fashion-mnist] [--rounds N] [--epochs N]

fastrun            ``+recipe=fashion_fast``: all of its training counts, and the network it ends with
stand-in           the template's defaults: its dense network, Adam, ten epochs; ``stand_in.py``
stand-in, our net  the same with the recipe's network, as PyTorch initializes it

The stand-ins are measured on the test set after every epoch, their clock stopped, and count as there at the first epoch
past the target, which is the luckiest reading. Seconds of training, on the CPU; seeds 0 to N-1.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sized
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple, cast

import pytorch_lightning as pl
import torch
from measure import machine, number, parser
from stand_in import StandIn, Transformed, dense, loader, trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastrun
from fastrun.components.data.splits import Splits
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.training.builders.model import build_network
from fastrun.training.builders.setup import set_up
from fastrun.training.trained.evaluate import evaluate

TARGET = 0.91


class Result(NamedTuple):
    """Of a training: how long, how good on the test set, and whether it got there."""

    seconds: float
    accuracy: float

    @property
    def reached(self) -> bool:
        """Say whether it is at the target or past it."""
        return self.accuracy >= TARGET


def recipe(root: Path, seed: int) -> Result:
    """Train by the recipe and measure what it ends with."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as outputs:
        own = [f"data.root={root}", f"seed={seed}", f"outputs={outputs}", "device=cpu"]
        run = fastrun.train(["+recipe=fashion_fast", *own], quiet=True)
        checkpoint = max((run.directory / "checkpoints").glob("*.ckpt"))
        clock = run.summary["clock"]
        accuracy = evaluate(run.settings, checkpoint, "test")["test/acc"]
        return Result(clock["train"] + clock["data_wait"], accuracy)


class UntilTarget(pl.Callback):
    """Stops at the first epoch whose network is past the target on the test set; keeps the best seen until then."""

    def __init__(self, test: TensorDataset) -> None:
        self.test = DataLoader(Transformed(test), batch_size=1000)
        self.result = Result(0.0, 0.0)
        self.seconds = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock."""
        self.start = perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock and measure."""
        self.seconds += perf_counter() - self.start
        net = cast(nn.Module, pl_module.net).eval()
        with torch.inference_mode():
            hits = sum(int((net(x).argmax(1) == y).sum()) for x, y in self.test)
        net.train()
        accuracy = hits / len(cast(Sized, self.test.dataset))
        if accuracy > self.result.accuracy:
            self.result = Result(self.seconds, accuracy)
        trainer.should_stop = self.result.reached


def stand_in(make: Callable[[], nn.Module], sets: Splits, epochs: int, seed: int) -> Result:
    """Train the stand-in until it is there, or its epochs are over."""
    assert isinstance(sets.train, TensorDataset)
    assert isinstance(sets.test, TensorDataset)
    torch.manual_seed(seed)
    net = make()
    torch.manual_seed(seed)
    until = UntilTarget(sets.test)
    with trainer([until], max_epochs=epochs) as lightning:
        lightning.fit(StandIn(net), loader(sets.train))
    return until.result


def show(results: dict[str, list[Result]]) -> None:
    """Print each contestant's share that got there, when, and how good it was."""
    width = max(map(len, results))
    print(f"\nto {TARGET:.0%} test accuracy, training alone, seeds 0 to {len(next(iter(results.values()))) - 1}")
    for name, found in results.items():
        there = [result.seconds for result in found if result.reached]
        seconds = f"median {number(median(there))} s" if there else "-"
        best = f"accuracy {median(result.accuracy for result in found):.4f}"
        print(f"  {name:<{width}}  {len(there)} of {len(found)} got there  {seconds:>16}  {best}")
    ours = results["fastrun"]
    for name, found in results.items():
        pairs = [(a, b) for a, b in zip(found, ours, strict=True) if a.reached and b.reached]
        if name != "fastrun" and pairs:
            print(f"  {name} / fastrun: {median(a.seconds / b.seconds for a, b in pairs):.1f}")


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--root", type=Path, default="../shared/data/fashion-mnist", help="the idx files (%(default)s)")
    made.add_argument("--epochs", type=int, default=10, help="of the stand-ins at most (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    settings = compose(["+recipe=fashion_fast", f"data.root={asked.root}", "init=default"])
    setup = set_up(settings)
    sets = setup.splits
    machine(torch.device("cpu"))

    def ours(seed: int) -> nn.Module:
        return build_network(replace(settings, seed=seed), setup, Resolved({}))

    contestants: dict[str, Callable[[int], Result]] = {
        "fastrun": lambda seed: recipe(asked.root, seed),
        "stand-in": lambda seed: stand_in(dense, sets, asked.epochs, seed),
        "stand-in, our net": lambda seed: stand_in(partial(ours, seed), sets, asked.epochs, seed),
    }
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    for seed in range(asked.rounds):
        for name, contestant in contestants.items():
            results[name].append(contestant(seed))
    show(results)


if __name__ == "__main__":
    main()
