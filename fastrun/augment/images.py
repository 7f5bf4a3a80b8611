"""The augmentations of images, together: each option of the group ``augment`` turns on some of them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fastrun.augment.cutout import cut
from fastrun.augment.mix import Mix
from fastrun.augment.rand import RandAugment
from fastrun.augment.window import windows
from fastrun.errors import ConfigError
from fastrun.seed import generator

Border = Literal["zeros", "reflect"]
Flip = Literal["none", "random", "alternating"]


class Images:
    """Shift, mirror, change at random, cut out and mix.

    Args:
        in_shape: an image's ``(channels, height, width)``.
        num_classes: of the data, for the labels of mixed images.
        pad: shift each image by up to this many pixels each way; None: by an eighth of its height, 4 of 32 as in
            He et al. 2016, section 4.2.
        border: what comes in at the edge: zeros, or the image mirrored there.
        flip: mirror left to right: none, half of the images at random, or half of them in the first epoch and from
            then on each as it was not the epoch before (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds").
        ops: operations of RandAugment that change each image (Cubuk et al. 2020); 0: none. Images must be of bytes.
        magnitude: their strength, from 0 to 30.
        cutout: the side of a square set to zero around a random pixel (DeVries & Taylor 2017); 0: none.
        mixup: alpha of mixup (Zhang et al. 2018), whose shares are drawn from Beta(alpha, alpha); 0: none.
        cutmix: alpha of CutMix (Yun et al. 2019); with mixup as well, each batch gets one of the two.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        num_classes: int,
        pad: int | None = None,
        border: Border = "zeros",
        flip: Flip = "none",
        ops: int = 0,
        magnitude: float = 9,
        cutout: int = 0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
    ) -> None:
        self.size = in_shape[-2], in_shape[-1]
        self.pad = in_shape[-2] // 8 if pad is None else pad
        self.border, self.flip, self.cutout = border, flip, cutout
        least = {"pad": self.pad, "ops": ops, "cutout": cutout, "mixup": mixup, "cutmix": cutmix}
        for name, value in least.items():
            if value < 0:
                raise ConfigError(f"augment.{name}={value} is too small", "the least is 0")
        most = min(self.size) - (border == "reflect")
        if self.pad > most:
            raise ConfigError(
                f"augment.pad={self.pad} is too large for images of {list(self.size)}", f"the most is {most}"
            )
        self.rand = RandAugment(self.size, ops, magnitude) if ops else None
        self.mix = Mix(num_classes, mixup, cutmix) if mixup or cutmix else None

    def draw(self, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Return ``[count, 5 + 2 * ops]``.

        They are row and column of the shift, whether to mirror, row and column of the cut's centre, and what
        RandAugment draws.
        """
        random, count = generator(seed, "augment", epoch), len(indices)
        offsets = torch.randint(2 * self.pad + 1, (count, 2), generator=random)
        mirrored = torch.randint(2, (count,), generator=random)
        if self.flip == "alternating":
            first = torch.randint(2, (count,), generator=generator(seed, "flip"))
            mirrored = first[indices] ^ (epoch % 2)
        centres = (torch.rand(count, 2, generator=random) * torch.tensor(self.size)).long()
        draws = [offsets, mirrored if self.flip != "none" else torch.zeros_like(mirrored), centres]
        return torch.column_stack([*draws, self.rand.draw(count, seed, epoch)] if self.rand else draws)

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the batch of the same shape."""
        if self.pad or self.flip != "none":
            x = windows(x, self.pad, self.border, draws[:, 0], draws[:, 1], draws[:, 2])
        if self.rand is not None:
            x = self.rand(x, draws[:, 5:])
        return cut(x, self.cutout, draws[:, 3], draws[:, 4]) if self.cutout else x
