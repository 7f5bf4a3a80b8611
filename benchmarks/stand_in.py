"""A stand-in, in our own words, for the popular Lightning + Hydra template as it comes.

Its defaults: transforms a sample at a time in the training process, a rich progress bar, running loss and accuracy of
torchmetrics and two ``self.log`` each step, Adam with a constant rate of 1e-3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import RichProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import Compose, Normalize, ToTensor

from fastrun.training.builders.trainer import quiet

BATCH = 128
WIDTHS = (64, 128, 64)


def dense() -> nn.Module:
    """Return the template's network: 784, three hidden layers with batch norm, 10."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width, out in pairwise((784, *WIDTHS)):
        layers += [nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 10))


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

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.criterion = nn.CrossEntropyLoss()
        self.train_loss = MeanMetric()
        self.train_acc = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss, metrics updated."""
        x, y = batch
        logits = self.net(x)
        loss: Tensor = self.criterion(logits, y)
        self.train_loss(loss)
        self.train_acc(logits.argmax(1), y)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def loader(samples: TensorDataset) -> DataLoader[tuple[Tensor, int]]:
    """Return shuffled batches, made in this process."""
    return DataLoader(Transformed(samples), batch_size=BATCH, shuffle=True, num_workers=0)


@contextmanager
def trainer(callbacks: list[pl.Callback], **limits: Any) -> Iterator[pl.Trainer]:
    """Yield the Trainer; what its progress bar draws goes nowhere."""
    with quiet(), Path(os.devnull).open("w") as nowhere:
        bar = RichProgressBar(console_kwargs={"file": nowhere, "force_terminal": True})
        yield pl.Trainer(
            accelerator="cpu",
            limit_val_batches=0,
            callbacks=[bar, *callbacks],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            **limits,
        )
