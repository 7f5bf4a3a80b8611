"""The metrics of images that are predicted."""

from __future__ import annotations

from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError

from fastrun.components.task import Task


class ImageMetrics(nn.Module):
    """The peak signal-to-noise ratio, and the root mean squared and mean absolute errors in the unit of the targets.

    The ratio is that of the mean squared error of all images together, with the range of the training targets as peak.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.data_range = task.data_range
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add outputs and targets, both ``[n, channels, height, width]``."""
        predictions, targets = outputs.float().flatten(), y.float().flatten()
        self.rmse.update(predictions, targets)
        self.mae.update(predictions, targets)

    def compute(self) -> list[Tensor]:
        """Return the ratio in decibels, the root mean squared error and the mean absolute error."""
        rmse = self.rmse.compute()
        return [20 * (self.data_range / rmse).log10(), rmse, self.mae.compute()]
