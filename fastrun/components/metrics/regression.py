"""The metrics of numbers."""

from __future__ import annotations

from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, R2Score

from fastrun.components.task import TargetUnits, Task


class RegressionMetrics(nn.Module):
    """R², and the root mean squared and mean absolute errors in the unit of the targets."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.units = TargetUnits(task)
        self.r2 = R2Score()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add outputs ``[n, numbers]`` and targets ``[n]`` or ``[n, numbers]``."""
        self.r2.update(outputs.float().view_as(y), self.units.standardize(y))  # raw targets far from 0 lose digits
        predictions = self.units(outputs.float()).view_as(y)
        self.rmse.update(predictions, y)
        self.mae.update(predictions, y)

    def compute(self) -> list[Tensor]:
        """Return R², the root mean squared error and the mean absolute error."""
        return [self.r2.compute(), self.rmse.compute(), self.mae.compute()]
