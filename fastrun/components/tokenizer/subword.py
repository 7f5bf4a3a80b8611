"""A tokenizer of the library tokenizers, kept as the JSON text that the library writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastrun.components.hub import INSTALL_HUB
from fastrun.errors import ConfigError


class SubwordTokenizer:
    """Tokens are parts of words.

    Args:
        kind: the option that made it.
        json: the tokenizer as the library writes it.
        pad: the token that fills up short texts; None if there is none.
        end: the token that ends a document; None if there is none.
        source: where it was read from, and at which commit of the hub; empty if it was trained.

    Raises:
        ConfigError: the library is not installed, or the text is no tokenizer.
    """

    def __init__(self, kind: str, json: str, pad: int | None = None, end: int | None = None, source: str = "") -> None:
        self.kind, self.json, self.pad, self.end, self.source = kind, json, pad, end, source
        try:
            self._plain = import_tokenizers().Tokenizer.from_str(json)
        except ConfigError:
            raise
        except Exception as error:  # the library raises its errors as plain exceptions
            message = f"tokenizer.source={source} is no tokenizer: {error}"
            raise ConfigError(message, "it takes a tokenizer.json") from error
        self._plain.no_truncation()
        self._plain.no_padding()
        index = self._plain.get_vocab(with_added_tokens=True)
        size = 1 + max(index.values(), default=-1)
        self.names = [f"<{token}>" for token in range(size)]  # there may be gaps
        for name, token in index.items():
            self.names[token] = name

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, without those that the tokenizer would put around it."""
        return [one.ids for one in self._plain.encode_batch(list(texts), add_special_tokens=False)]

    def encode_whole(self, texts: Sequence[str], length: int) -> list[list[int]]:
        """Return the tokens of each text, with those around it, cut off or filled up to ``length``."""
        assert self.pad is not None
        self._plain.enable_truncation(length)
        try:
            tokens = [one.ids for one in self._plain.encode_batch(list(texts))]
        finally:
            self._plain.no_truncation()
        return [one + [self.pad] * (length - len(one)) for one in tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens; bytes that are no whole character yet are shown as ``\\ufffd``."""
        text: str = self._plain.decode(list(tokens), skip_special_tokens=False)
        return text

    def state(self) -> dict[str, Any]:
        """Return the tokenizer as plain values."""
        return {"kind": self.kind, "json": self.json, "pad": self.pad, "end": self.end, "source": self.source}


def import_tokenizers() -> Any:
    """Return the library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise ConfigError("this tokenizer needs the package tokenizers, which is not installed", INSTALL_HUB) from error
    return tokenizers
