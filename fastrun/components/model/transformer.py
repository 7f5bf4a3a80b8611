"""The transformer block, with a norm at the start of each branch (pre-norm).

Sources: Vaswani et al. 2017, "Attention is all you need"; pre-norm, GELU and four times the width in
between as in Radford et al. 2019 (GPT-2) and Dosovitskiy et al. 2021 (ViT).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from fastrun.components.model.residual import zero_last_layer


class Attention(nn.Module):
    """Self-attention with several heads; if ``causal``, each token attends only to itself and earlier tokens."""

    def __init__(self, width: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads, self.dropout, self.causal = heads, dropout, causal

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, tokens, width]`` for inputs of this shape."""
        count, length, width = x.shape
        q, k, v = self.qkv(x).view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind()
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(count, length, width))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention, then two linear layers with GELU in between; each of both has a layer norm and a shortcut."""

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
        """Let the block start as its two shortcuts."""
        zero_last_layer(self.attention.out)
        zero_last_layer(self.down)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, tokens, width]`` for inputs of this shape."""
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.down(self.act(self.up(self.norm2(x)))))  # type: ignore[no-any-return]
