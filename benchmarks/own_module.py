"""The dense network as a LightningModule, for fastrun to train by its own steps."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.nn.functional import cross_entropy

from fastrun.components.model.mlp import mlp


class Module(pl.LightningModule):
    """The network of ``model=mlp`` with the arguments that it has there."""

    def __init__(self, in_shape: tuple[int, ...], num_classes: int, norm: Any = None, **arguments: Any) -> None:
        super().__init__()
        self.net = mlp(in_shape, num_classes, norm=norm, **arguments)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss, and log it."""
        x, y = batch
        loss = cross_entropy(self.net(x), y)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Log the loss and the accuracy."""
        outputs = self.net(batch[0])
        self.log("val/loss", cross_entropy(outputs, batch[1]))
        self.log("val/acc", (outputs.argmax(1) == batch[1]).float().mean())
