"""The network of the CIFAR-10 speedruns. Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds" (airbench94)."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.norm.layers import Norm
from fastrun.config.constraints import Count, Positive
from fastrun.errors import ConfigError


def speednet(
    in_shape: tuple[int, ...],
    num_classes: int,
    widths: tuple[Count, ...] = (64, 256, 256),
    patch: Count = 2,
    scale: Positive = 1 / 9,
    norm: Norm | None = None,
) -> nn.Module:
    """Build a patch convolution, blocks that halve the resolution if it is above one, and a head with scaled logits.

    The first layer has two channels for each value of a ``patch x patch`` window; with ``init=whiten``, these are a
    whitening filter and its negative.
    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        widths: the channels of each block.
        patch: the side of the first layer's filters, in pixels.
        scale: the factor of the logits. The default is that of airbench94; airbench94_muon uses one over the last
            width, with ``init.head_std=1``.
        norm: builds the norm after a layer; None for no norms, and biases instead.

    Raises:
        ConfigError: the input is not an image, or smaller than a patch.
    """
    colors, height, across = check.images("speednet", in_shape)
    sides = [height - patch + 1, across - patch + 1]
    if min(sides) < 1:
        raise ConfigError(f"model.patch={patch} is larger than the images", f"they have {[height, across]} pixels")
    channels = 2 * colors * patch * patch
    layers: list[nn.Module] = [nn.Conv2d(colors, channels, patch), nn.GELU()]
    for width in widths:
        halve = min(sides) > 1
        layers.append(Block(channels, width, halve, norm))
        channels, sides = width, [side // 2 for side in sides] if halve else sides
    pool = nn.MaxPool2d((sides[0], sides[1]))  # over all that is left: 3 x 3 for CIFAR-10, as in airbench94
    head = nn.Linear(channels, num_classes, bias=False)
    return nn.Sequential(*layers, pool, nn.Flatten(), head, Scale(scale))


class Block(nn.Module):
    """Two 3x3 convolutions, the first one followed by pooling. There is no shortcut; ``init=whiten`` has that role."""

    def __init__(self, channels: int, out: int, halve: bool, norm: Norm | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=norm is None)
        self.pool = nn.MaxPool2d(2) if halve else nn.Identity()
        self.norm1 = norm(out, 2) if norm else nn.Identity()
        self.act1 = nn.GELU()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=norm is None)
        self.norm2 = norm(out, 2) if norm else nn.Identity()
        self.act2 = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, out, height // 2, width // 2]`` with ``halve``, else ``[batch, out, height, width]``."""
        x = self.act1(self.norm1(self.pool(self.conv1(x))))
        return self.act2(self.norm2(self.conv2(x)))  # type: ignore[no-any-return]


class Scale(nn.Module):
    """Multiplication by a constant; small logits at the start let the body learn first."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` times the factor."""
        return x * self.factor
