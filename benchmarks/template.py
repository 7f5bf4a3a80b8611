"""Images a second: fastrun beside a stand-in for the popular Lightning + Hydra template as it comes.

    python benchmarks/template.py [--root ../shared/data/fashion-mnist] [--rounds N]

The stand-in (``stand_in.py``) trains as that template's defaults do. fastrun trains the same network (784, three hidden
layers of 64, 128 and 64 with batch norm) on the same images with the same Adam and batch of 128, with its
pipeline=resident and speed=auto.

Claim: fastrun trains on at least 10 times as many images a second. Both on the CPU.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import claim, in_turn, machine, parser, show
from stand_in import BATCH, WIDTHS, StandIn, dense, loader, trainer
from torch.utils.data import TensorDataset

from fastrun.components.data.splits import Splits
from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.training.builders import data as feed

STAND_IN_STEPS = 100
OUR_STEPS = 2000


def settings_of(root: Path) -> Settings:
    data = ("data=fashion_mnist", f"data.root={root}", f"batch.size={BATCH}", "pipeline=resident", "speed=auto")
    network = ("model=mlp", f"model.hidden={list(WIDTHS)}", "norm=batch", "init=default", "amp=off", "device=cpu")
    return compose([*data, *network, "optimizer=adam", "optimizer.lr=1e-3", "schedule=constant", "checkpoint=none"])


class Stopwatch(pl.Callback):
    """Times the second half of a run."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Start after the first half."""
        if 2 * trainer.global_step == trainer.max_steps:
            self.start = perf_counter()

    def on_train_end(self, *_: Any) -> None:
        """Stop."""
        self.seconds = perf_counter() - self.start


def stand_in(sets: Splits, steps: int) -> float:
    """Return images a second."""
    assert isinstance(sets.train, TensorDataset)
    watch = Stopwatch()
    with trainer([watch], max_steps=2 * steps) as lightning:
        lightning.fit(StandIn(dense()), loader(sets.train))
    return steps * BATCH / watch.seconds


def fastrun(settings: Settings, steps: int) -> float:
    """Return images a second."""
    return steps * BATCH / seconds_of_second_half(attempt(halves(settings, steps)).lines)


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--root", type=Path, default="../shared/data/fashion-mnist", help="the idx files (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    settings = settings_of(asked.root)
    sets = feed.load_splits(settings)
    machine(torch.device("cpu"))
    contestants = {
        "fastrun": partial(fastrun, settings, OUR_STEPS),
        "stand-in": partial(stand_in, sets, STAND_IN_STEPS),
    }
    values = in_turn(contestants, asked.rounds)
    show(f"Fashion-MNIST, hidden layers {WIDTHS}, batch {BATCH}", values, "stand-in", "images/s")
    claim(values, "fastrun", "stand-in", "at least 10")


if __name__ == "__main__":
    main()
