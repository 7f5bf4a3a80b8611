"""The mean squared error, for numbers and, after Hui & Belkin 2021, for classes.

Source: "Evaluation of neural architectures trained with square loss vs cross-entropy in classification tasks".
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import mse_loss

from fastrun.errors import ConfigError
from fastrun.loss.targets import probabilities


class SquaredError(nn.Module):
    """Squares of what the outputs miss the targets by: for classes, one for the true class and zero for the others.

    Args:
        task: what the targets are: ``classification``, ``language`` or ``regression``.
        true_weight: how much the true class counts beside another one (k in the paper).
        true_value: what its output should be (M in the paper).

    Raises:
        ConfigError: an argument about classes where there are none, or one that is not above 0.
    """

    def __init__(self, task: str = "classification", true_weight: float = 1.0, true_value: float = 1.0) -> None:
        super().__init__()
        for name, value in (("true_weight", true_weight), ("true_value", true_value)):
            if value <= 0:
                raise ConfigError(f"loss.{name}={value} is too small", "it must be above 0")
            if task == "regression" and value != 1:
                raise ConfigError(f"loss.{name}={value}: numbers to predict have no true class", f"loss.{name}=1")
        self.task, self.true_weight, self.true_value = task, true_weight, true_value

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean over samples and classes."""
        if self.task == "regression":
            return mse_loss(outputs.float(), y.float())
        targets = probabilities(y, outputs.shape[1])
        squares = (outputs.float() - self.true_value * targets).square()
        if self.true_weight != 1:
            squares = squares * (1 + (self.true_weight - 1) * targets)
        return squares.mean()
