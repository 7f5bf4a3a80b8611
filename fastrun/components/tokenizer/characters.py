"""Characters as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastrun.errors import DataError

_PAD, _UNKNOWN = "<pad>", "<unknown>"


class CharacterTokenizer:
    """Each character is a token.

    Args:
        names: the characters in the order of their tokens.
        pads: whether the first two tokens are for filling up and for characters that are not among the others.
    """

    def __init__(self, names: list[str], pads: bool) -> None:
        self.names, self.pads = names, pads
        self.pad: int | None = 0 if pads else None
        self.end: int | None = None
        self._index = {name: index for index, name in enumerate(names)}

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token of each character.

        Raises:
            DataError: a character has no token.
        """
        try:
            return [[self._token(character) for character in text] for text in texts]
        except KeyError as error:
            raise DataError(f"the character {error} is in no text that was trained on", "tokenizer=bpe") from error

    def _token(self, character: str) -> int:
        return self._index.get(character, 1) if self.pads else self._index[character]

    def encode_whole(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """Return the tokens of each text, cut off or filled up to ``length``."""
        assert self.pad is not None
        tokens = self.encode([text[:length] for text in texts])
        return [one + [self.pad] * (length - len(one)) for one in tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the characters of tokens."""
        return "".join(self.names[token] for token in tokens)

    def state(self) -> dict[str, Any]:
        """Return the tokenizer as plain values."""
        return {"kind": "characters", "names": self.names, "pad": self.pad}


class CharacterTrainer:
    """Takes the characters of the training set."""

    def train(self, texts: Iterable[str], *, pads: bool) -> CharacterTokenizer:
        """Return the tokenizer of the characters that occur, in the order of their codes."""
        found: set[str] = set()
        for text in texts:
            found |= set(text)
        return CharacterTokenizer([*([_PAD, _UNKNOWN] if pads else []), *sorted(found)], pads)
