"""The mean squared error, for numbers, images and classes.

Source for classes: Hui & Belkin 2021, "Evaluation of neural architectures trained with square loss vs cross-entropy in
classification tasks".
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from fastrun.components.loss.targets import probabilities
from fastrun.config.constraints import Positive
from fastrun.errors import ConfigError


class SquaredError(nn.Module):
    """The mean squared error. The targets of classes are one for the true class and zero for the others.

    Args:
        task: ``classification``, ``language``, ``regression`` or ``image_to_image``.
        true_weight: the weight of the true class relative to each other class (k in the paper).
        true_value: the target of the true class (M in the paper).

    Raises:
        ConfigError: an argument is given for numbers, which have no classes, or the targets are several labels or
            masks.
    """

    def __init__(self, task: str = "classification", true_weight: Positive = 1.0, true_value: Positive = 1.0) -> None:
        super().__init__()
        if task in ("multilabel", "segmentation"):
            what = "several labels a sample" if task == "multilabel" else "masks"
            raise ConfigError(f"loss=mse is for numbers and single classes; this data has {what}", "use loss=auto")
        self.is_number = task in ("regression", "image_to_image")
        for name, value in (("true_weight", true_weight), ("true_value", true_value)):
            if self.is_number and value != 1:
                raise ConfigError(
                    f"loss.{name}={value}: this data has numbers to predict, not classes", f"use loss.{name}=1"
                )
        self.true_weight, self.true_value = true_weight, true_value

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean over samples and classes."""
        if self.is_number:
            return mse_loss(outputs.float(), y.float())
        targets = probabilities(y, outputs.shape[1])
        squares = (outputs.float() - self.true_value * targets).square()
        if self.true_weight != 1:
            squares = squares * (1 + (self.true_weight - 1) * targets)
        return squares.mean()
