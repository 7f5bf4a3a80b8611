"""Wide residual networks. Source: Zagoruyko & Komodakis 2016, "Wide residual networks"."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.errors import ConfigError
from fastrun.model import check
from fastrun.model.norm import Norm
from fastrun.model.residual import silence

_STEM = 16  # the paper's; widen multiplies the stages, not the stem


def wide_resnet(
    in_shape: tuple[int, ...],
    num_classes: int,
    depth: int = 10,
    widen: int = 2,
    dropout: float = 0.0,
    skip: bool = True,
    norm: Norm | None = None,
) -> nn.Module:
    """Build WRN-depth-widen, ``depth = 6n + 4``: a stem, three stages of n blocks, norm, pooling, a linear head.

    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: of a sample, ``(channels, height, width)``.
        num_classes: how many outputs.
        depth: the stem, the convolutions of the blocks, and three projections: 6n + 4.
        widen: the stages have 16, 32 and 64 times as many channels; each next one halves the resolution.
        dropout: the share of values between the two convolutions of a block that a training step sets to zero.
        skip: with shortcuts.
        norm: what builds the norm after a layer; None: no norms, and biases instead.

    Raises:
        ConfigError: the depth is not 6n + 4, or the input is not an image.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ConfigError(
            f"model.depth={depth} is not 6n + 4", f"the nearest is {max(1, round((depth - 4) / 6)) * 6 + 4}"
        )
    check.positive(widen=widen)
    colours, _, _ = check.images("wide_resnet", in_shape)
    blocks: list[nn.Module] = []
    channels = _STEM
    for stage in range(3):
        for block in range((depth - 4) // 6):
            stride = 2 if stage and not block else 1
            blocks.append(Block(channels, (_STEM * widen) << stage, stride, dropout, skip, norm))
            channels = (_STEM * widen) << stage
    stem = nn.Conv2d(colours, _STEM, 3, padding=1, bias=norm is None)
    last = [_norm(norm, channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(stem, *blocks, *last, nn.Linear(channels, num_classes))


class Block(nn.Module):
    """Norm and rectifier before each of two 3x3 convolutions, and a shortcut that nothing stands in the way of.

    Where the shape changes, the shortcut is a projection of the rectified input, as in the authors' code.
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
        """Start as the shortcut alone; without one, change nothing, as nothing would pass."""
        if self.skip:
            silence(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, out, height / stride, width / stride]``."""
        y = self.relu1(self.norm1(x))
        if self.shortcut is not None:
            x = self.shortcut(y)
        y = self.conv2(self.dropout(self.relu2(self.norm2(self.conv1(y)))))
        return x + y if self.skip else y  # type: ignore[no-any-return]


def _norm(norm: Norm | None, channels: int) -> nn.Module:
    return norm(channels, 2) if norm else nn.Identity()
