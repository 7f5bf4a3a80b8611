"""The tokenizer of another run."""

from __future__ import annotations

from pathlib import Path

from fastrun.components.tokenizer.characters import CharacterTokenizer
from fastrun.components.tokenizer.protocol import Tokenizer
from fastrun.components.tokenizer.restore import restore
from fastrun.errors import ConfigError
from fastrun.storage.checkpoint.load import load_small
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.storage.run_dir import RunDir


def is_run(path: Path) -> bool:
    """Say whether a path is a run directory."""
    return (path / "config.yaml").is_file()


def tokenizer_of_run(path: Path, *, pads: bool) -> Tokenizer:
    """Return the tokenizer that a run keeps.

    Args:
        path: the run directory.
        pads: whether texts of different lengths are to be in one batch.

    Raises:
        CheckpointError: the run has no whole checkpoint.
        ConfigError: it learned from other data than text, or has no token to fill up short texts with.
    """
    checkpoint = RunDir(path).newest_good()[0].path
    data = CheckpointState.of(load_small(checkpoint), str(checkpoint)).data
    state = data["encoding"].get("tokenizer")
    if state is None and data["task"]["name"] != "language":
        raise ConfigError(f"tokenizer.source={path}: that run learned from no text", "give a run that did")
    tokenizer = CharacterTokenizer(data["classes"], pads=False) if state is None else restore(state)
    if pads and tokenizer.pad is None:
        message = f"tokenizer.source={path}: its tokenizer has no token to fill up short texts with"
        raise ConfigError(message, "data without data.target needs none")
    return tokenizer
