"""One classifier a class. Source: Wightman et al. 2021, "ResNet strikes back", section 2.2, and timm's loss."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from fastrun.errors import ConfigError
from fastrun.loss.targets import check_smoothing, probabilities


class OneVsRest(nn.Module):
    """Binary cross-entropy of each class against all others, so that a mixed image may be wholly both of its classes.

    Args:
        task: what the targets are: ``classification`` or ``language``.
        label_smoothing: the share of a label that all classes get alike.
        threshold: targets above it count as 1, others as 0, after smoothing; None leaves them as they are.
        sum_classes: add up the classes instead of averaging them, which makes gradients as large as cross-entropy's.

    Raises:
        ConfigError: the task has no classes, or an argument is out of range.
    """

    def __init__(
        self,
        task: str = "classification",
        label_smoothing: float = 0.0,
        threshold: float | None = None,
        sum_classes: bool = False,
    ) -> None:
        super().__init__()
        if task == "regression":
            raise ConfigError("loss=bce is for classes; this data has numbers to predict", "use loss=auto or loss=mse")
        check_smoothing(label_smoothing)
        if threshold is not None and not 0 <= threshold < 1:
            raise ConfigError(f"loss.threshold={threshold} tells nothing apart", "it must be at least 0 and below 1")
        self.label_smoothing, self.threshold, self.sum_classes = label_smoothing, threshold, sum_classes

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean over samples, and over classes too unless they are summed."""
        targets = probabilities(y, outputs.shape[1], self.label_smoothing)
        if self.threshold is not None:
            targets = (targets > self.threshold).float()
        loss = binary_cross_entropy_with_logits(outputs.float(), targets)
        return loss * outputs.shape[1] if self.sum_classes else loss
