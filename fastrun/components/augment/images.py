"""All augmentations of images in one class; each option of the group ``augment`` turns on some of them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fastrun.components.augment.cutout import cut
from fastrun.components.augment.mix import Alpha, Mix
from fastrun.components.augment.rand import Magnitude, Operations, RandAugment
from fastrun.components.augment.window import windows
from fastrun.config.constraints import Natural
from fastrun.errors import ConfigError
from fastrun.system.seed import generator

Border = Literal["zeros", "reflect"]
Flip = Literal["none", "random", "alternating"]


class Images:
    """Shifts, mirrors, changes by RandAugment, cuts out and mixes.

    Args:
        in_shape: the shape of an image, ``(channels, height, width)``.
        num_classes: the number of classes of the data, for the labels of mixed images.
        pad: shift each image by up to this many pixels in each direction; None for an eighth of its height, which is
            4 of 32 as in He et al. 2016, section 4.2.
        border: what appears at the edge of shifted images: zeros, or the mirrored image.
        flip: mirror no images, half of the images at random in each epoch, or half of them in the first epoch and
            afterwards those that were not mirrored in the epoch before (Jordan 2024, "94% on CIFAR-10 in 3.29
            seconds").
        ops: the number of operations of RandAugment on each image (Cubuk et al. 2020); 0 for none. Images must be
            uint8.
        magnitude: the strength of these operations, from 0 to 30.
        cutout: the side of a square of zeros around a random pixel (DeVries & Taylor 2017); 0 for none.
        mixup: alpha of mixup (Zhang et al. 2018), with shares from Beta(alpha, alpha); 0 for none.
        cutmix: alpha of CutMix (Yun et al. 2019); 0 for none. With mixup, each batch is mixed by one of the two.

    Raises:
        ConfigError: the shift is larger than the images.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        num_classes: int,
        pad: Natural | None = None,
        border: Border = "zeros",
        flip: Flip = "none",
        ops: Operations = 0,
        magnitude: Magnitude = 9,
        cutout: Natural = 0,
        mixup: Alpha = 0.0,
        cutmix: Alpha = 0.0,
    ) -> None:
        self.size = in_shape[-2], in_shape[-1]
        self.pad = in_shape[-2] // 8 if pad is None else pad
        self.border, self.flip, self.cutout = border, flip, cutout
        self._check_pad()
        self.rand = RandAugment(self.size, ops, magnitude) if ops else None
        self.mix = Mix(num_classes, mixup, cutmix) if mixup or cutmix else None

    def _check_pad(self) -> None:
        maximum = min(self.size) - (self.border == "reflect")
        if self.pad > maximum:
            raise ConfigError(
                f"augment.pad={self.pad} is too large for images of {list(self.size)}", f"the maximum is {maximum}"
            )

    def draw(self, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Return the random numbers of an epoch; see :meth:`fastrun.components.augment.Augment.draw`.

        Returns:
            Row and column of the shift, whether to mirror, row and column of the cutout's center, and the random
            numbers of RandAugment, ``[count, 5 + 2 * ops]``.
        """
        random, count = generator(seed, "augment", epoch), len(indices)
        offsets = torch.randint(2 * self.pad + 1, (count, 2), generator=random)
        mirrored = torch.randint(2, (count,), generator=random)
        if self.flip == "alternating":
            first = torch.randint(2, (count,), generator=generator(seed, "flip"))
            mirrored = first[indices] ^ (epoch % 2)
        centers = (torch.rand(count, 2, generator=random) * torch.tensor(self.size)).long()
        draws = [offsets, mirrored if self.flip != "none" else torch.zeros_like(mirrored), centers]
        return torch.column_stack([*draws, self.rand.draw(count, seed, epoch)] if self.rand else draws)

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the changed batch of the same shape; see :meth:`fastrun.components.augment.Augment.__call__`."""
        if self.pad or self.flip != "none":
            x = windows(x, self.pad, self.border, draws[:, 0], draws[:, 1], draws[:, 2])
        if self.rand is not None:
            x = self.rand(x, draws[:, 5:])
        return cut(x, self.cutout, draws[:, 3], draws[:, 4]) if self.cutout else x
