"""A plain stack of convolutions. Source: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG)."""

from __future__ import annotations

from torch import nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.components.norm.layers import Norm
from fastrun.config.constraints import BelowOne, Count

_STAGES = 3


def cnn(
    in_shape: tuple[int, ...],
    num_classes: int,
    depth: Depth = 6,
    width: Count = 32,
    dropout: BelowOne = 0.0,
    norm: Norm | None = None,
) -> nn.Module:
    """Build ``depth`` 3x3 convolutions in three stages, pooling, dropout and a linear head.

    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        depth: the number of convolutions; if three does not divide it, the first stages have one more.
        width: the first stage's channels; each later stage has twice as many, at half the resolution if there is more
            than one pixel.
        dropout: the fraction of the head's inputs that a training step sets to zero.
        norm: builds the norm after a layer; None for no norms, and biases instead.

    Raises:
        ConfigError: the input is not an image.
    """
    channels, *sides = check.images("cnn", in_shape)
    layers: list[nn.Module] = []
    for stage in range(_STAGES):
        for index in range((depth + _STAGES - 1 - stage) // _STAGES):
            if stage and index == 0 and min(sides) > 1:
                layers.append(nn.MaxPool2d(2))
                sides = [side // 2 for side in sides]
            layers += _conv(channels, width << stage, norm)
            channels = width << stage
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)]
    return nn.Sequential(*layers, *head)


def _conv(channels: int, out: int, norm: Norm | None) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, 3, padding=1, bias=norm is None)
    return [conv, norm(out, 2), nn.ReLU()] if norm else [conv, nn.ReLU()]
