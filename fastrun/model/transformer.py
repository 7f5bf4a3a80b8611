"""The block that transformers are made of, with its norms first.

Sources: Vaswani et al. 2017, "Attention is all you need"; norms first as in Radford et al. 2019 (GPT-2) and
Dosovitskiy et al. 2021 (ViT), both with GELU and four times the width between.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from fastrun.model.residual import silence


class Attention(nn.Module):
    """Self-attention of ``heads`` heads; ``causal``: each token sees itself and those before it."""

    def __init__(self, width: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads, self.dropout, self.causal = heads, dropout, causal

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, tokens, width]`` for the same shape."""
        count, length, width = x.shape
        q, k, v = self.qkv(x).view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(count, length, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention, then two linear layers with GELU between, each behind a layer norm and around it a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, causal)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def zero_init_last(self) -> None:
        """Start as the two shortcuts alone."""
        silence(self.attention.out)
        silence(self.down)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, tokens, width]`` for the same shape."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.down(self.act(self.up(self.norm2(x)))))  # type: ignore[no-any-return]
