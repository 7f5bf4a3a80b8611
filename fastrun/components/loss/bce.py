"""Binary cross-entropy for classes and for several labels.

Source: Wightman et al. 2021, "ResNet strikes back", section 2.2, and timm.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from fastrun.components.loss.targets import probabilities
from fastrun.config.constraints import BelowOne
from fastrun.errors import ConfigError


class OneVsRest(nn.Module):
    """Binary cross-entropy of each class against all others, so that a mixed image can fully belong to both classes.

    Of several labels, each is a question of its own.

    Args:
        task: ``classification``, ``language`` or ``multilabel``.
        label_smoothing: the share of a label that is spread evenly over all classes; with several labels, over yes and
            no.
        threshold: after smoothing, targets above it become 1 and others 0; None leaves targets unchanged.
        sum_classes: sum over the classes instead of averaging; gradients are then as large as those of cross-entropy.

    Raises:
        ConfigError: the task is another one.
    """

    def __init__(
        self,
        task: str = "classification",
        label_smoothing: BelowOne = 0.0,
        threshold: BelowOne | None = None,
        sum_classes: bool = False,
    ) -> None:
        super().__init__()
        if task in ("regression", "image_to_image"):
            raise ConfigError("loss=bce is for classes; this data has numbers to predict", "use loss=auto or loss=mse")
        if task == "segmentation":
            raise ConfigError("loss=bce is for classes of whole samples; this data has masks", "use loss=auto")
        self.is_multilabel = task == "multilabel"
        self.label_smoothing, self.threshold, self.sum_classes = label_smoothing, threshold, sum_classes

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean over samples, and the mean or the sum over classes."""
        targets = probabilities(y, 2 if self.is_multilabel else outputs.shape[1], self.label_smoothing)
        if self.threshold is not None:
            targets = (targets > self.threshold).float()
        loss = binary_cross_entropy_with_logits(outputs.float(), targets)
        return loss * outputs.shape[1] if self.sum_classes else loss
