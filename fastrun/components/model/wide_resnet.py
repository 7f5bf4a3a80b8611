"""Wide residual networks. Source: Zagoruyko & Komodakis 2016, "Wide residual networks"."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.components.model.residual import zero_last_layer
from fastrun.components.norm.layers import Norm
from fastrun.config.constraints import BelowOne, Count
from fastrun.errors import ConfigError

_STEM = 16  # channels, as in the paper; ``widen`` multiplies those of the stages only


def wide_resnet(
    in_shape: tuple[int, ...],
    num_classes: int,
    depth: Depth = 10,
    widen: Count = 2,
    dropout: BelowOne = 0.0,
    skip: bool = True,
    norm: Norm | None = None,
) -> nn.Module:
    """Build WRN-depth-widen, ``depth = 6n + 4``: a stem, three stages of n blocks, norm, pooling, a linear head.

    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        depth: 6n + 4: the stem, the convolutions of the blocks, and three projections.
        widen: the stages have 16, 32 and 64 times this many channels; each later stage halves the resolution.
        dropout: the fraction of values between the two convolutions of a block that a training step sets to zero.
        skip: whether blocks have shortcuts.
        norm: builds the norm after a layer; None for no norms, and biases instead.

    Raises:
        ConfigError: the depth is not 6n + 4, or the input is not an image.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ConfigError(
            f"model.depth={depth} is not 6n + 4", f"the nearest is {max(1, round((depth - 4) / 6)) * 6 + 4}"
        )
    colors, _, _ = check.images("wide_resnet", in_shape)
    blocks: list[nn.Module] = []
    channels = _STEM
    for stage in range(3):
        for block in range((depth - 4) // 6):
            stride = 2 if stage and not block else 1
            blocks.append(Block(channels, (_STEM * widen) << stage, stride, dropout, skip, norm))
            channels = (_STEM * widen) << stage
    stem = nn.Conv2d(colors, _STEM, 3, padding=1, bias=norm is None)
    last = [_norm(norm, channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(stem, *blocks, *last, nn.Linear(channels, num_classes))


class Block(nn.Module):
    """Two 3x3 convolutions, each after a norm and a rectifier, and a shortcut around all of them.

    If the shape changes, the shortcut is a projection of the rectified input, as in the authors' code.
    """

    def __init__(self, channels: int, out: int, stride: int, dropout: float, skip: bool, norm: Norm | None) -> None:
        super().__init__()
        bias = norm is None
        self.norm1, self.relu1 = _norm(norm, channels), nn.ReLU()
        self.shortcut: nn.Module | None = None
        if skip and (stride > 1 or channels != out):
            self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=bias)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=bias)
        self.norm2, self.relu2 = _norm(norm, out), nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=bias)
        self.skip = skip

    def zero_init_last(self) -> None:
        """Let the block start as its shortcut; a block without a shortcut is left unchanged."""
        if self.skip:
            zero_last_layer(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, out, height / stride, width / stride]``."""
        y = self.relu1(self.norm1(x))
        if self.shortcut is not None:
            x = self.shortcut(y)
        y = self.conv2(self.dropout(self.relu2(self.norm2(self.conv1(y)))))
        return x + y if self.skip else y  # type: ignore[no-any-return]


def _norm(norm: Norm | None, channels: int) -> nn.Module:
    return norm(channels, 2) if norm else nn.Identity()
