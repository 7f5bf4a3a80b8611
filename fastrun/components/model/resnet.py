"""Residual networks for small images. Source: He et al. 2016, "Deep residual learning", section 4.2."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.components.model.residual import zero_last_layer
from fastrun.components.norm.layers import Norm
from fastrun.config.constraints import Count
from fastrun.errors import ConfigError


def resnet(
    in_shape: tuple[int, ...],
    num_classes: int,
    depth: Depth = 20,
    width: Count = 16,
    skip: bool = True,
    norm: Norm | None = None,
) -> nn.Module:
    """Build a network of ``depth = 6n + 2`` layers: a stem, three stages of n blocks, pooling, a linear head.

    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        depth: 6n + 2: the stem, the convolutions of the blocks, and the head.
        width: the first stage's channels; each later stage has twice as many, at half the resolution.
        skip: whether blocks have shortcuts; without them, this is the "plain" network of the paper.
        norm: builds the norm after a layer; None for no norms, and biases instead.

    Raises:
        ConfigError: the depth is not 6n + 2, or the input is not an image.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ConfigError(
            f"model.depth={depth} is not 6n + 2", f"the nearest is {max(1, round((depth - 2) / 6)) * 6 + 2}"
        )
    colors, _, _ = check.images("resnet", in_shape)
    blocks: list[nn.Module] = []
    channels = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            stride = 2 if stage and not block else 1
            blocks.append(Block(channels, width << stage, stride, skip, norm))
            channels = width << stage
    stem = [_conv(colors, width, 3, 1, norm), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


class Block(nn.Module):
    """Two 3x3 convolutions and, with ``skip``, a shortcut around them (projected where the shape changes)."""

    def __init__(self, channels: int, out: int, stride: int, skip: bool, norm: Norm | None) -> None:
        super().__init__()
        self.conv1 = _conv(channels, out, 3, stride, norm)
        self.relu1 = nn.ReLU()
        self.conv2 = _conv(out, out, 3, 1, norm)
        self.shortcut: nn.Module | None = None
        if skip:
            self.shortcut = nn.Identity() if stride == 1 and channels == out else _conv(channels, out, 1, stride, norm)
        self.relu2 = nn.ReLU()

    def zero_init_last(self) -> None:
        """Let the block start as its shortcut; a block without a shortcut is left unchanged."""
        if self.shortcut is not None:
            zero_last_layer(self.conv2[-1] if isinstance(self.conv2, nn.Sequential) else self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, out, height / stride, width / stride]``."""
        y = self.conv2(self.relu1(self.conv1(x)))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.relu2(y)  # type: ignore[no-any-return]


def _conv(channels: int, out: int, size: int, stride: int, norm: Norm | None) -> nn.Module:
    conv = nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=norm is None)
    return nn.Sequential(conv, norm(out, 2)) if norm else conv
