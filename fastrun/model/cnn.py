"""A plain stack of convolutions. Source: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG)."""

from __future__ import annotations

from torch import nn

from fastrun.model import check
from fastrun.model.norm import Norm

_STAGES = 3


def cnn(
    in_shape: tuple[int, ...],
    num_classes: int,
    depth: int = 6,
    width: int = 32,
    dropout: float = 0.0,
    norm: Norm | None = None,
) -> nn.Module:
    """Build ``depth`` 3x3 convolutions in three stages, pooling, and a linear head behind ``dropout``.

    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: of a sample, ``(channels, height, width)``.
        num_classes: how many outputs.
        depth: convolutions; the first stages have one more where three do not divide them.
        width: the first stage's channels; each next one has twice as many, at half the resolution while there is more
            than a pixel.
        dropout: the share of the head's inputs that a training step sets to zero.
        norm: what builds the norm after a layer; None: no norms, and biases instead.

    Raises:
        ConfigError: depth or width is below 1, or the input is not an image.
    """
    check.positive(depth=depth, width=width)
    channels, *sides = check.images("cnn", in_shape)
    layers: list[nn.Module] = []
    for stage in range(_STAGES):
        for place in range((depth + _STAGES - 1 - stage) // _STAGES):
            if stage and not place and min(sides) > 1:
                layers.append(nn.MaxPool2d(2))
                sides = [side // 2 for side in sides]
            layers += _conv(channels, width << stage, norm)
            channels = width << stage
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, num_classes)]
    return nn.Sequential(*layers, *head)


def _conv(channels: int, out: int, norm: Norm | None) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, 3, padding=1, bias=norm is None)
    return [conv, norm(out, 2), nn.ReLU()] if norm else [conv, nn.ReLU()]
