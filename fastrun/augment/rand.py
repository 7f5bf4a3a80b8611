"""RandAugment: every image changed by a few operations drawn at random, all of one strength.

Source: Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space", whose
operations and ranges are those of AutoAugment (Cubuk et al. 2019); torchvision's are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastrun.augment import colour, warp
from fastrun.errors import ConfigError
from fastrun.seed import generator

_WARPS = {  # each with its level at the greatest magnitude: a slope, a part of the image, degrees
    warp.shear_x: 0.3,
    warp.shear_y: 0.3,
    warp.translate_x: 150 / 331,  # in AutoAugment, whose images were 331 pixels wide
    warp.translate_y: 150 / 331,
    warp.rotate: 30.0,
}
_FACTORS = colour.contrast, colour.color, colour.sharpness
_GREATEST = 30  # magnitude
_TABLES = 3  # brightness, posterize, solarize
_FIRST_TABLE = 1 + len(_WARPS)  # operations are numbered: none, warps, tables, factors, autocontrast, equalize
_FIRST_FACTOR = _FIRST_TABLE + _TABLES
_AUTOCONTRAST = _FIRST_FACTOR + len(_FACTORS)
_EQUALIZE = _AUTOCONTRAST + 1
_OPERATIONS = _EQUALIZE + 1

Change = Callable[..., Tensor]


class RandAugment:
    """Changes images of bytes by ``ops`` of 14 operations each.

    Args:
        size: the images' height and width.
        ops: operations an image, one after another, drawn with replacement.
        magnitude: their strength, from 0 to 30: shears up to 0.3, shifts up to 45 % of the image, turns up to 30
            degrees, factors up to 1 ± 0.9, 4 of 8 bits left, all values turned round. Directions are drawn.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(self, size: tuple[int, int], ops: int, magnitude: float) -> None:
        if not 0 <= magnitude <= _GREATEST:
            raise ConfigError(f"augment.magnitude={magnitude:g} is out of range", f"it goes from 0 to {_GREATEST}")
        self.ops, strength = ops, magnitude / _GREATEST
        self.change = 0.9 * strength
        self.places = _places(size, strength)
        self.tables = _tables(strength, self.change)

    def draw(self, count: int, seed: int, epoch: int) -> Tensor:
        """Return ``[count, 2 * ops]``: the operations, then their directions, 0 or 1."""
        random = generator(seed, "rand", epoch)
        operations = torch.randint(_OPERATIONS, (count, self.ops), generator=random)
        return torch.column_stack([operations, torch.randint(2, (count, self.ops), generator=random)])

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the changed batch, ``[batch, channels, height, width]``; ``draws`` is ``[batch, 2 * ops]``.

        Raises:
            ConfigError: the images are not of bytes.
        """
        if x.dtype != torch.uint8:
            raise ConfigError(f"augment.ops needs images of bytes, not {x.dtype}", "use augment.ops=0")
        if self.places.device != x.device:
            self.places, self.tables = self.places.to(x.device), self.tables.to(x.device)
        for operation, direction in zip(draws[:, : self.ops].unbind(1), draws[:, self.ops :].unbind(1), strict=True):
            x = self._changed(x, operation, direction)
        return x

    def _changed(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        """Return the batch, each image changed by one operation."""
        x = _where(_between(operation, 1, _FIRST_TABLE), self._warp, x, operation, direction)
        x = _where(_between(operation, _FIRST_TABLE, _FIRST_FACTOR), self._look_up, x, operation, direction)
        factor = 1 + self.change * (1 - 2 * direction)
        for number, change in enumerate(_FACTORS, _FIRST_FACTOR):
            x = _where(operation == number, change, x, factor)
        x = _where(operation == _AUTOCONTRAST, colour.autocontrast, x)
        return _where(operation == _EQUALIZE, colour.equalize, x)

    def _warp(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        number = (operation - 1).clamp(0, len(_WARPS) - 1)
        return warp.warped(x, self.places[2 * number + direction])

    def _look_up(self, x: Tensor, operation: Tensor, direction: Tensor) -> Tensor:
        number = (operation - _FIRST_TABLE).clamp(0, _TABLES - 1)
        return colour.looked_up(x, self.tables[2 * number + direction])


def _places(size: tuple[int, int], strength: float) -> Tensor:
    """Return ``[2 * warps, pixels]``: where each pixel comes from, for every warp one way and the other."""
    signed = ((change, sign * most * strength) for change, most in _WARPS.items() for sign in (1, -1))
    return torch.stack([warp.sources(change(level, *size), *size) for change, level in signed])


def _tables(strength: float, change: float) -> Tensor:
    """Return ``[2 * tables, 256]``; those that know no direction are there twice."""
    bits, threshold = 8 - round(4 * strength), 255 * (1 - strength)
    lighter, darker = colour.brightness(1 + change), colour.brightness(1 - change)
    fewer, turned = colour.posterize(bits), colour.solarize(threshold)
    return torch.stack([lighter, darker, fewer, fewer, turned, turned])


def _between(operation: Tensor, low: int, high: int) -> Tensor:
    return (operation >= low) & (operation < high)


def _where(chosen: Tensor, change: Change, x: Tensor, *arguments: Tensor) -> Tensor:
    """Return the batch with the chosen images, ``[batch]``, changed; ``arguments`` have a row an image, too.

    On a CPU only those are computed; elsewhere all are, since counting them would make the host wait for the device.
    """
    if x.device.type != "cpu":
        return torch.where(chosen.view(-1, 1, 1, 1), change(x, *arguments), x)
    places = chosen.nonzero().flatten()
    if not len(places):
        return x
    return x.index_copy(0, places, change(x[places], *(argument[places] for argument in arguments)))
