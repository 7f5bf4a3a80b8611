"""A decoder of tokens. Source: Radford et al. 2019, "Language models are unsupervised multitask learners" (GPT-2)."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.components.model.transformer import Block
from fastrun.config.constraints import BelowOne, Count


def gpt(
    in_shape: tuple[int, ...],
    vocabulary: int | None,
    width: Count = 128,
    depth: Depth = 4,
    heads: Count = 4,
    dropout: BelowOne = 0.0,
    tie: bool = True,
) -> nn.Module:
    """Build embeddings of tokens and positions, ``depth`` causal transformer blocks, and a linear head.

    Input tokens ``[batch, length]``, where the length is at most that of the data; output logits
    ``[batch, length, vocabulary]`` of each next token.

    Args:
        in_shape: the shape of a sample, ``(length,)``.
        vocabulary: the number of different tokens; None for data that is not text.
        width: the size of a token's embedding, which the heads divide among them.
        depth: the number of transformer blocks.
        heads: the heads of each attention.
        dropout: the fraction of embeddings, attention and branches that a training step sets to zero.
        tie: use the embeddings of the tokens as the head's weights (Press & Wolf 2017), as in GPT-2.

    Raises:
        ConfigError: the data is not text, or the heads do not divide the width.
    """
    check.heads(width, heads)
    length, vocabulary = check.tokens("gpt", in_shape, vocabulary)
    return GPT(length, vocabulary, width, depth, heads, dropout, tie)


class GPT(nn.Module):
    """GPT-2's network and initialization.

    The weights have standard deviation 0.02; the last weights of a branch have 0.02 divided by the square root of the
    number of branches.
    """

    def __init__(
        self, length: int, vocabulary: int, width: int, depth: int, heads: int, dropout: float, tie: bool
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout, causal=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tie:
            self.head.weight = self.embed.weight
        self.apply(_draw)
        for block in self.blocks.children():
            assert isinstance(block, Block)
            for last in (block.attention.out, block.down):
                nn.init.normal_(last.weight, std=0.02 / (2 * depth) ** 0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[batch, length, vocabulary]``."""
        x = self.embed(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(self.dropout(x))))  # type: ignore[no-any-return]


def _draw(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
