"""Mixing images in pairs, and their labels with them.

Sources: Zhang et al. 2018, "mixup: beyond empirical risk minimization"; Yun et al. 2019, "CutMix". Each image is mixed
with the one at the mirrored place in its batch, as timm does it: the batch's order is random already.
"""

from __future__ import annotations

from math import sqrt
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from fastrun.seed import derive


class Mix:
    """Mixes batches with shares drawn from Beta(alpha, alpha), one a batch, as a function of the step."""

    def __init__(self, num_classes: int, mixup: float, cutmix: float) -> None:
        self.num_classes, self.mixup, self.cutmix = num_classes, mixup, cutmix

    def __call__(self, x: Tensor, y: Tensor, *place: int) -> tuple[Tensor, Tensor]:
        """Return mixed inputs and probabilities ``[batch, classes]`` for labels ``[batch]``; ``place`` seeds it."""
        random = Random(derive("mix", *place))
        cuts = random.random() < 0.5 if self.mixup and self.cutmix else bool(self.cutmix)
        alpha = self.cutmix if cuts else self.mixup
        share = random.betavariate(alpha, alpha)
        if cuts:
            x, share = pasted(x, share, random)
        else:
            x = torch.lerp(x.flip(0), x, share)
        targets = one_hot(y, self.num_classes).float()
        return x, torch.lerp(targets.flip(0), targets, share)


def pasted(x: Tensor, share: float, random: Random) -> tuple[Tensor, float]:
    """Return images with a rectangle of their partner each, and the share of its own that each kept.

    The rectangle has the image's proportions and ``1 - share`` of its area, as far as it lies within.
    """
    height, width = x.shape[-2:]
    top, bottom = _stretch(height, sqrt(1 - share), random)
    left, right = _stretch(width, sqrt(1 - share), random)
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x.flip(0)[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _stretch(length: int, part: float, random: Random) -> tuple[int, int]:
    centre, half = random.randrange(length), int(length * part) // 2
    return max(0, centre - half), min(length, centre + half)
