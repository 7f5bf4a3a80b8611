"""Labels as the probabilities that a loss compares with."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

from fastrun.errors import ConfigError


def probabilities(y: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """Return ``[N, classes]`` for labels ``[N]``, or for probabilities of that shape, smoothed after Szegedy 2016.

    Smoothing gives that share to all classes alike, the true one too, as in torch's cross-entropy.
    """
    targets = y if y.is_floating_point() else one_hot(y, classes).float()
    return targets * (1 - smoothing) + smoothing / classes if smoothing else targets


def check_smoothing(share: float) -> None:
    """Check that a label keeps something of itself.

    Raises:
        ConfigError: the share is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"loss.label_smoothing={share} is not a share", "it must be at least 0 and below 1")
