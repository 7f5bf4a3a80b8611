"""RandAugment: each image is changed by a few random operations of the same strength.

Source: Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space". The
operations and ranges are those of AutoAugment (Cubuk et al. 2019), as in torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from fastrun.components.augment import color, warp
from fastrun.config.constraints import Range
from fastrun.errors import ConfigError
from fastrun.system.seed import generator

_WARPS = {  # each with its level at the maximum magnitude: a slope, a part of the image, or degrees
    warp.shear_x: 0.3,
    warp.shear_y: 0.3,
    warp.translate_x: 150 / 331,  # of AutoAugment, whose images were 331 pixels wide
    warp.translate_y: 150 / 331,
    warp.rotate: 30.0,
}
_FACTORS = color.contrast, color.saturation, color.sharpness
_MAX_MAGNITUDE = 30
_TABLES = 3  # brightness, posterize, solarize
_FIRST_TABLE = 1 + len(_WARPS)  # operations are numbered: none, warps, tables, factors, autocontrast, equalize
_FIRST_FACTOR = _FIRST_TABLE + _TABLES
_AUTOCONTRAST = _FIRST_FACTOR + len(_FACTORS)
_EQUALIZE = _AUTOCONTRAST + 1
OPERATIONS = _EQUALIZE + 1

Change = Callable[..., Tensor]
Operations = Annotated[int, Range(ge=0, le=100)]
Magnitude = Annotated[float, Range(ge=0, le=_MAX_MAGNITUDE)]


class RandAugment:
    """Changes each uint8 image by ``ops`` of 14 operations.

    Args:
        size: the height and width of the images.
        ops: the number of operations on an image, one after another, chosen at random with replacement.
        magnitude: their strength, from 0 to 30. At 30 these are shears by 0.3, shifts by 45 % of the image, rotations
            by 30 degrees, factors of 1 ± 0.9, 4 of 8 bits kept, and all values inverted. Directions are random.
    """

    def __init__(self, size: tuple[int, int], ops: int, magnitude: float) -> None:
        self.ops, strength = ops, magnitude / _MAX_MAGNITUDE
        self.change = 0.9 * strength
        self.sources = _warp_sources(size, strength)
        self.tables = _tables(strength, self.change)

    def draw(self, count: int, seed: int, epoch: int) -> Tensor:
        """Return random operations and then their directions, 0 or 1, of ``count`` images, ``[count, 2 * ops]``."""
        random = generator(seed, "rand", epoch)
        operations = torch.randint(OPERATIONS, (count, self.ops), generator=random)
        return torch.column_stack([operations, torch.randint(2, (count, self.ops), generator=random)])

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the changed batch.

        Args:
            x: images, ``[batch, channels, height, width]``.
            draws: their rows of what :meth:`draw` returned, ``[batch, 2 * ops]``.

        Raises:
            ConfigError: the images are not uint8.
        """
        if x.dtype != torch.uint8:
            raise ConfigError(f"augment.ops needs uint8 images, not {x.dtype}", "use augment.ops=0")
        if self.sources.device != x.device:
            self.sources, self.tables = self.sources.to(x.device), self.tables.to(x.device)
        for operation, direction in zip(draws[:, : self.ops].unbind(1), draws[:, self.ops :].unbind(1), strict=True):
            x = self._apply(x, operation, direction)
        return x

    def _apply(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        """Return the batch with each image changed by one operation."""
        x = _apply_where(_between(operation, 1, _FIRST_TABLE), self._warp, x, operation, direction)
        x = _apply_where(_between(operation, _FIRST_TABLE, _FIRST_FACTOR), self._look_up, x, operation, direction)
        factor = 1 + self.change * (1 - 2 * direction)
        for number, change in enumerate(_FACTORS, _FIRST_FACTOR):
            x = _apply_where(operation == number, change, x, factor)
        x = _apply_where(operation == _AUTOCONTRAST, color.autocontrast, x)
        return _apply_where(operation == _EQUALIZE, color.equalize, x)

    def _warp(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        number = (operation - 1).clamp(0, len(_WARPS) - 1)
        return warp.apply_warp(x, self.sources[2 * number + direction])

    def _look_up(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        number = (operation - _FIRST_TABLE).clamp(0, _TABLES - 1)
        return color.look_up(x, self.tables[2 * number + direction])


def _warp_sources(size: tuple[int, int], strength: float) -> Tensor:
    """Return the source pixels of every warp in both directions, ``[2 * warps, pixels]``."""
    signed = ((change, sign * maximum * strength) for change, maximum in _WARPS.items() for sign in (1, -1))
    return torch.stack([warp.source_pixels(change(level, *size), *size) for change, level in signed])


def _tables(strength: float, change: float) -> Tensor:
    """Return the tables of values in both directions, ``[2 * tables, 256]``; those without a direction are repeated."""
    bits, threshold = 8 - round(4 * strength), 255 * (1 - strength)
    lighter, darker = color.brightness(1 + change), color.brightness(1 - change)
    posterized, inverted = color.posterize(bits), color.solarize(threshold)
    return torch.stack([lighter, darker, posterized, posterized, inverted, inverted])


def _between(operation: Tensor, low: int, high: int) -> Tensor:
    return (operation >= low) & (operation < high)


def _apply_where(chosen: Tensor, change: Change, x: Tensor, *arguments: Tensor) -> Tensor:
    """Return the batch with the chosen images changed.

    On a CPU only the chosen images are computed. Elsewhere all are, since counting them would block until the device
    has finished.

    Args:
        chosen: which images to change, ``[batch]``.
        change: the operation.
        x: images, ``[batch, channels, height, width]``.
        *arguments: further arguments of the operation, each ``[batch, …]``.
    """
    if x.device.type != "cpu":
        return torch.where(chosen.view(-1, 1, 1, 1), change(x, *arguments), x)
    indices = chosen.nonzero().flatten()
    if not len(indices):
        return x
    return x.index_copy(0, indices, change(x[indices], *(argument[indices] for argument in arguments)))
