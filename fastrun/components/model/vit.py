"""A transformer of image patches. Source: Dosovitskiy et al. 2021, "An image is worth 16x16 words" (ViT)."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import torch
from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.components.model.transformer import Block
from fastrun.config.constraints import BelowOne, Count
from fastrun.errors import ConfigError

Positions = Literal["sincos", "learned"]
Pool = Literal["mean", "token"]


def vit(
    in_shape: tuple[int, ...],
    num_classes: int,
    patch: Count | None = None,
    width: Count = 128,
    depth: Depth = 6,
    heads: Count = 4,
    dropout: BelowOne = 0.0,
    positions: Positions = "sincos",
    pool: Pool = "mean",
) -> nn.Module:
    """Build a projection of patches, ``depth`` transformer blocks, a norm, pooling and a linear head.

    The default positions and pooling are those of Beyer et al. 2022, "Better plain ViT baselines"; the original paper
    uses ``learned`` and ``token``.
    Input ``[batch, channels, height, width]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, ``(channels, height, width)``.
        num_classes: the number of outputs.
        patch: the side of a patch in pixels. The default, None, is the largest divisor of both sides of the image up to
            the square root of the longer side. If a patch does not divide a side, the image is padded with zeros.
        width: the size of a token, which the heads divide among them.
        depth: the number of transformer blocks.
        heads: the heads of each attention.
        dropout: the fraction of tokens' values, attention and branches that a training step sets to zero.
        positions: ``sincos`` (fixed) or ``learned``.
        pool: ``mean`` over all tokens, or ``token``: an additional first token, from which the head reads.

    Raises:
        ConfigError: the input is not an image, or a size is out of range.
    """
    channels, *sides = check.images("vit", in_shape)
    patch = patch_for(sides) if patch is None else patch
    check.heads(width, heads)
    if patch > min(sides):
        raise ConfigError(f"model.patch={patch} is larger than the images", f"they have {sides} pixels")
    embed = Patches(channels, sides, patch, width, positions, pool == "token")
    blocks = (Block(width, heads, dropout, causal=False) for _ in range(depth))
    layers = [embed, nn.Dropout(dropout), *blocks, nn.LayerNorm(width), Pooled(pool), nn.Linear(width, num_classes)]
    return nn.Sequential(*layers).apply(_draw)


def patch_for(sides: list[int]) -> int:
    """Return a patch size that is about the square root of an image's longer side: 4 for 28 and for 32 pixels."""
    root = min(isqrt(max(sides)), *sides)
    fitting = [size for size in range(-(-root // 2), root + 1) if not any(side % size for side in sides)]
    return fitting[-1] if fitting else root


class Patches(nn.Module):
    """Patches as tokens with positions; with ``token``, an additional token comes first."""

    positions: Tensor

    def __init__(
        self, channels: int, sides: list[int], patch: int, width: int, positions: Positions, token: bool
    ) -> None:
        super().__init__()
        margin = [(-side % patch + 1) // 2 for side in sides]
        rows, columns = (-(-side // patch) for side in sides)
        self.project = nn.Conv2d(channels, width, patch, patch, padding=(margin[0], margin[1]))
        self.token = nn.Parameter(torch.randn(1, 1, width) * 1e-6) if token else None
        if positions == "learned":
            self.positions = nn.Parameter(torch.randn(1, token + rows * columns, width) * 0.02)
        else:
            grid = torch.cat([torch.zeros(int(token), width), sincos(rows, columns, width)])
            self.register_buffer("positions", grid.unsqueeze(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``[batch, tokens, width]`` for images."""
        x = self.project(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return x + self.positions


class Pooled(nn.Module):
    """The mean of the tokens, or the first of them."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, width]`` for tokens."""
        return x.mean(1) if self.pool == "mean" else x[:, 0]


def sincos(rows: int, columns: int, width: int) -> Tensor:
    """Return ``[rows * columns, width]``: sines and cosines of rows and columns, with wavelengths up to 10,000.

    Source: Vaswani et al. 2017, in two dimensions as in MoCo v3 (Chen et al. 2021).

    Raises:
        ConfigError: the width is not a multiple of four.
    """
    if width % 4:
        raise ConfigError(
            f"model.width={width} is not a multiple of 4",
            "change it, or use model.positions=learned, which takes any width",
        )
    rates = 10_000.0 ** -(torch.arange(width // 4) / max(1, width // 4 - 1))
    y = torch.arange(rows).repeat_interleave(columns).unsqueeze(1) * rates
    x = torch.arange(columns).repeat(rows).unsqueeze(1) * rates
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)


def _draw(module: nn.Module) -> None:
    """Draw Xavier weights; the projection of patches counts as a linear layer (He et al. 2022, "MAE")."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight.flatten(1))
        assert module.bias is not None
        nn.init.zeros_(module.bias)
