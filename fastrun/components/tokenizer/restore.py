"""Makes a tokenizer of what a run keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastrun.components.tokenizer.characters import CharacterTokenizer
from fastrun.components.tokenizer.protocol import Tokenizer
from fastrun.components.tokenizer.subword import SubwordTokenizer


def restore(state: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer whose :meth:`~fastrun.components.tokenizer.protocol.Tokenizer.state` this is.

    Raises:
        ConfigError: the library tokenizers is not installed, and the tokenizer needs it.
    """
    if state["kind"] == "characters":
        return CharacterTokenizer(state["names"], pads=state["pad"] is not None)
    return SubwordTokenizer(**state)
