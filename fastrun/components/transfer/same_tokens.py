"""Whether the network of another run knows the same tokens: its embeddings belong to those that it was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastrun.components.transfer.source_file import find_source
from fastrun.errors import ConfigError
from fastrun.storage.checkpoint.files import is_in_parts
from fastrun.storage.checkpoint.load import load_small
from fastrun.storage.checkpoint.state import CheckpointState


def check_same_tokens(source: str | None, tokenizer: Mapping[str, Any] | None, names: Sequence[str] | None) -> None:
    """Check that the run that weights are from has the tokens of this one. A file of weights alone does not say.

    Args:
        source: ``transfer.source``.
        tokenizer: the state of this run's tokenizer; None where tokens are characters alone.
        names: the names of this run's tokens.

    Raises:
        ConfigError: it has others.
    """
    path = find_source(source)
    if path is None or not (path.suffix == ".ckpt" or is_in_parts(path)):
        return
    data = CheckpointState.of(load_small(path), str(path)).data
    if _tokens(data["encoding"].get("tokenizer"), data["classes"]) != _tokens(tokenizer, names):
        message = f"transfer.source={source}: that run has other tokens, which its weights belong to"
        raise ConfigError(message, f"tokenizer=pretrained tokenizer.source={path.parent.parent} takes its tokenizer")


def _tokens(tokenizer: Mapping[str, Any] | None, names: Sequence[str] | None) -> Any:
    """Return what makes two tokenizers the same."""
    if tokenizer is None:
        return list(names or ())
    return tokenizer["json"] if "json" in tokenizer else list(tokenizer["names"])
