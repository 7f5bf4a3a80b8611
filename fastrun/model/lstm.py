"""A recurrent network of tokens. Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.model import check


def lstm(
    in_shape: tuple[int, ...],
    vocabulary: int | None,
    width: int = 256,
    depth: int = 2,
    dropout: float = 0.0,
    tie: bool = False,
) -> nn.Module:
    """Build an embedding of tokens, ``depth`` LSTM layers of ``width`` units, and a linear head.

    Input tokens ``[batch, length]``, output logits ``[batch, length, vocabulary]``, those at a place for the token
    after it; each sequence starts from a state of zeros.

    Args:
        in_shape: of a sample, ``(length,)``.
        vocabulary: how many different tokens the data has; None where it has none.
        width: the units of a layer, and the values of an embedding.
        depth: LSTM layers.
        dropout: the share of values before, between and after the layers that a training step sets to zero; from a
            token to the next nothing is lost (Zaremba et al. 2014).
        tie: the head's weights are the tokens' embeddings (Press & Wolf 2017).

    Raises:
        ConfigError: the data has no tokens, or a size makes no network.
    """
    check.positive(width=width, depth=depth)
    _, vocabulary = check.tokens("lstm", in_shape, vocabulary)
    return LSTM(vocabulary, width, depth, dropout, tie)


class LSTM(nn.Module):
    """Layers with forget gates open at the start: biases of about one (Jozefowicz et al. 2015)."""

    def __init__(self, vocabulary: int, width: int, depth: int, dropout: float, tie: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        # With dropout one layer at a time: cudnn's own keeps a random state that no seed of a step reaches.
        stacks = [1] * depth if dropout else [depth]
        self.layers = nn.ModuleList(nn.LSTM(width, width, layers, batch_first=True) for layers in stacks)
        self.head = nn.Linear(width, vocabulary)
        if tie:
            self.head.weight = self.embed.weight
            nn.init.normal_(self.embed.weight, std=width**-0.5)  # logits of about one
        for name, parameter in self.layers.named_parameters():
            if "bias_ih" in name:  # gates in, forget, cell, out
                nn.init.ones_(parameter.data[width : 2 * width])

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[batch, length, vocabulary]``."""
        x = self.dropout(self.embed(tokens))
        for layer in self.layers:
            x = self.dropout(layer(x)[0])
        return self.head(x)  # type: ignore[no-any-return]
