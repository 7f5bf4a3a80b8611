"""Mixes pairs of images and their labels.

Sources: Zhang et al. 2018, "mixup: beyond empirical risk minimization"; Yun et al. 2019, "CutMix". As in timm, each
image is mixed with the one at the mirrored position in its batch, since the order of a batch is random already.
"""

from __future__ import annotations

from math import sqrt
from random import Random
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from fastrun.config.constraints import Range
from fastrun.system.seed import derive

Alpha = Annotated[float, Range(ge=0, le=1000)]


class Mix:
    """Mixes batches by mixup or CutMix, with one share per batch, drawn from Beta(alpha, alpha).

    Args:
        num_classes: the number of classes of the data.
        mixup: alpha of mixup; 0 for none.
        cutmix: alpha of CutMix; 0 for none. With both, each batch is mixed by one of the two, chosen at random.
    """

    def __init__(self, num_classes: int, mixup: float, cutmix: float) -> None:
        self.num_classes, self.mixup, self.cutmix = num_classes, mixup, cutmix

    def __call__(self, x: Tensor, y: Tensor, *seeds: int) -> tuple[Tensor, Tensor]:
        """Mix a batch.

        Args:
            x: inputs, ``[batch, channels, height, width]``.
            y: labels, ``[batch]``, or 0 and 1 for several labels a sample, ``[batch, labels]``.
            *seeds: what the random numbers depend on, such as the run's seed and the step.

        Returns:
            The mixed inputs, and the probabilities of the classes or labels, ``[batch, classes]``.
        """
        random = Random(derive("mix", *seeds))
        use_cutmix = random.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if use_cutmix else self.mixup
        share = random.betavariate(alpha, alpha)
        if use_cutmix:
            x, share = paste_rectangle(x, share, random)
        else:
            x = torch.lerp(x.flip(0), x, share)
        targets = (y if y.ndim > 1 else one_hot(y, self.num_classes)).float()
        return x, torch.lerp(targets.flip(0), targets, share)


def paste_rectangle(x: Tensor, share: float, random: Random) -> tuple[Tensor, float]:
    """Paste a rectangle of its partner into each image.

    The rectangle has the proportions of the image and ``1 - share`` of its area, and is cropped at the image's edge.

    Args:
        x: images, ``[batch, channels, height, width]``.
        share: the part of its own area that an image keeps, before cropping.
        random: chooses the position.

    Returns:
        The mixed images, and the part of its own area that each has kept.
    """
    height, width = x.shape[-2:]
    top, bottom = _stretch(height, sqrt(1 - share), random)
    left, right = _stretch(width, sqrt(1 - share), random)
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x.flip(0)[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _stretch(length: int, part: float, random: Random) -> tuple[int, int]:
    """Return where a stretch of about ``part`` of a length starts and ends, around a random center."""
    center, half = random.randrange(length), int(length * part) // 2
    return max(0, center - half), min(length, center + half)
