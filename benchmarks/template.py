"""Images a second: fastrun beside a stand-in for the popular Lightning + Hydra template as it comes.

    python benchmarks/template.py [--root ../shared/data/fashion-mnist] [--rounds N]

The stand-in trains as that template's defaults do: transforms a sample at a time in the training process, a rich
progress bar, running loss and accuracy of torchmetrics and two ``self.log`` each step. fastrun trains the same network
(784, three hidden layers of 64, 128 and 64 with batch norm) on the same images with the same Adam and batch of 128,
with its pipeline=resident and speed=auto.

Claim: fastrun trains on at least 10 times as many images a second. Both on the CPU.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import claim, in_turn, machine, parser, show
from PIL import Image
from pytorch_lightning.callbacks import RichProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import Compose, Normalize, ToTensor

from fastrun import feed
from fastrun.data.sets import Sets
from fastrun.hydra_app import compose
from fastrun.settings import Settings
from fastrun.trainer import quiet

BATCH = 128
WIDTHS = (64, 128, 64)
STAND_IN_STEPS = 100
OUR_STEPS = 2000


def settings_of(root: Path) -> Settings:
    data = ("data=fashion_mnist", f"data.root={root}", f"batch.size={BATCH}", "pipeline=resident", "speed=auto")
    network = ("model=mlp", f"model.hidden={list(WIDTHS)}", "norm=batch", "init=default", "amp=off", "device=cpu")
    return compose([*data, *network, "optimizer=adam", "optimizer.lr=1e-3", "schedule=constant", "checkpoint=none"])


class Transformed(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's own data sets yield them: each made an image, then transformed."""

    def __init__(self, samples: TensorDataset) -> None:
        self.images, self.labels = samples.tensors
        self.transform = Compose([ToTensor(), Normalize((0.2860,), (0.3530,))])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index, 0].numpy())), int(self.labels[index])


class StandIn(pl.LightningModule):
    """A classifier with the usual metrics, logged the usual way."""

    def __init__(self) -> None:
        super().__init__()
        widths = (784, *WIDTHS)
        layers: list[nn.Module] = [nn.Flatten()]
        for width, out in pairwise(widths):
            layers += [nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 10))
        self.criterion = nn.CrossEntropyLoss()
        self.train_loss = MeanMetric()
        self.train_acc = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss, metrics updated."""
        x, y = batch
        logits = self.net(x)
        loss = self.criterion(logits, y)
        self.train_loss(loss)
        self.train_acc(logits.argmax(1), y)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Stopwatch(pl.Callback):
    """Times the second half of a run."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Start after the first half."""
        if 2 * trainer.global_step == trainer.max_steps:
            self.start = perf_counter()

    def on_train_end(self, *_: Any) -> None:
        """Stop."""
        self.seconds = perf_counter() - self.start


def stand_in(sets: Sets, steps: int) -> float:
    """Return images a second."""
    assert isinstance(sets.train, TensorDataset)
    loader = DataLoader(Transformed(sets.train), batch_size=BATCH, shuffle=True, num_workers=0)
    watch = Stopwatch()
    with quiet(), Path(os.devnull).open("w") as nowhere:
        bar = RichProgressBar(console_kwargs={"file": nowhere, "force_terminal": True})
        trainer = pl.Trainer(
            accelerator="cpu",
            max_steps=2 * steps,
            limit_val_batches=0,
            callbacks=[bar, watch],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(StandIn(), loader)
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
    sets = feed.load(settings)
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
