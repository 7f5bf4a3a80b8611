"""A recurrent network of tokens. Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.model import check
from fastrun.components.model.check import Depth
from fastrun.config.constraints import BelowOne, Count


def lstm(
    in_shape: tuple[int, ...],
    vocabulary: int | None,
    width: Count = 256,
    depth: Depth = 2,
    dropout: BelowOne = 0.0,
    tie: bool = False,
) -> nn.Module:
    """Build an embedding of tokens, ``depth`` LSTM layers of ``width`` units, and a linear head.

    Input tokens ``[batch, length]``, output logits ``[batch, length, vocabulary]`` of each next token. Each sequence
    starts with a state of zeros.

    Args:
        in_shape: the shape of a sample, ``(length,)``.
        vocabulary: the number of different tokens; None for data that is not text.
        width: the units of a layer, and the size of an embedding.
        depth: the number of LSTM layers.
        dropout: the fraction of values before, between and after the layers that a training step sets to zero; the
            recurrent connections have no dropout (Zaremba et al. 2014).
        tie: use the embeddings of the tokens as the head's weights (Press & Wolf 2017).

    Raises:
        ConfigError: the data is not text.
    """
    _, vocabulary = check.tokens("lstm", in_shape, vocabulary)
    return LSTM(vocabulary, width, depth, dropout, tie)


class LSTM(nn.Module):
    """LSTM layers whose forget gates start open, with biases of about one (Jozefowicz et al. 2015)."""

    def __init__(self, vocabulary: int, width: int, depth: int, dropout: float, tie: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        # With dropout, one module for each layer: the dropout of cuDNN has a random state that ignores the step's seed.
        stacks = [1] * depth if dropout else [depth]
        self.layers = nn.ModuleList(nn.LSTM(width, width, layers, batch_first=True) for layers in stacks)
        self.head = nn.Linear(width, vocabulary)
        if tie:
            self.head.weight = self.embed.weight
            nn.init.normal_(self.embed.weight, std=width**-0.5)  # logits of about one
        for name, parameter in self.layers.named_parameters():
            if "bias_ih" in name:  # the gates are input, forget, cell, output
                nn.init.ones_(parameter.data[width : 2 * width])

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[batch, length, vocabulary]``."""
        x = self.dropout(self.embed(tokens))
        for layer in self.layers:
            x = self.dropout(layer(x)[0])
        return self.head(x)  # type: ignore[no-any-return]
