"""What a tokenizer is, and what makes one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """A tokenizer that is ready for use, of which a run keeps the state.

    Attributes:
        names: the tokens by their index, as they are shown.
        pad: the token that fills up short texts; None if there is none.
        end: the token that ends a document; None if there is none.
    """

    names: list[str]
    pad: int | None
    end: int | None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, which alone make it up again.

        Raises:
            DataError: a text has something that has no token.
        """
        ...

    def encode_whole(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """Return the ``length`` tokens of each whole text: cut off, or filled up with :attr:`pad`.

        Tokens that the tokenizer puts around a text, such as one for its class, are among them.
        """
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the tokenizer as plain values, from which :func:`~fastrun.components.tokenizer.restore.restore` makes
        it again.
        """
        ...


class Trainer(Protocol):
    """Makes a tokenizer from the text of a training set."""

    def train(self, texts: Iterable[str], *, pads: bool) -> Tokenizer:
        """Return the tokenizer.

        Args:
            texts: the text that is trained on, in parts.
            pads: whether texts of different lengths are to be in one batch.

        Raises:
            ConfigError: what the tokenizer is read from does not exist or is no tokenizer.
        """
        ...
