"""The mean absolute error, for numbers and images. Source: Zhao et al. 2017, "Loss functions for image restoration"."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from fastrun.errors import ConfigError


class AbsoluteError(nn.Module):
    """The mean absolute error, on which outliers weigh less than on the squared one.

    Args:
        task: ``regression`` or ``image_to_image``.

    Raises:
        ConfigError: the task is another one.
    """

    def __init__(self, task: str = "regression") -> None:
        super().__init__()
        if task not in ("regression", "image_to_image"):
            raise ConfigError("loss=l1 is for numbers; this data has classes", "use loss=auto")

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean over all numbers."""
        return l1_loss(outputs.float(), y.float())
