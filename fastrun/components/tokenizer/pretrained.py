"""A tokenizer that exists already: of a file, a folder, or the hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fastrun.components.hub import find_folder
from fastrun.components.tokenizer.of_run import is_run, tokenizer_of_run
from fastrun.components.tokenizer.protocol import Tokenizer
from fastrun.components.tokenizer.subword import SubwordTokenizer
from fastrun.errors import ConfigError

_FILE, _SETTINGS = "tokenizer.json", "tokenizer_config.json"
_HINT = "it takes a run, a tokenizer.json, a folder that has one, or a name of the hub"


def pretrained(source: str | None = None, revision: str | None = None) -> PretrainedTrainer:
    """Return what reads a tokenizer, as the network that goes with it was trained with.

    Args:
        source: a run, for its tokenizer; a ``tokenizer.json``, a folder that has one, or a name of the hub.
        revision: the branch, tag or commit of the hub; None for the newest.

    Raises:
        ConfigError: ``source`` is not set.
    """
    if source is None:
        raise ConfigError("tokenizer.source is not set", _HINT)
    return PretrainedTrainer(source, revision)


class PretrainedTrainer:
    """Reads a tokenizer; the text of the run has no part in it."""

    def __init__(self, source: str, revision: str | None) -> None:
        self.source, self.revision = source, revision

    def train(self, texts: Iterable[str], *, pads: bool) -> Tokenizer:
        """Return the tokenizer.

        Raises:
            ConfigError: it does not exist, or is not in the form of the library tokenizers.
        """
        if is_run(Path(self.source).expanduser()):
            return tokenizer_of_run(Path(self.source).expanduser(), pads=pads)
        found = find_folder("tokenizer.source", self.source, self.revision, [_FILE, _SETTINGS])
        path = found.path / _FILE if found.path.is_dir() else found.path
        if not path.is_file():
            raise ConfigError(f"tokenizer.source={self.source} has no {_FILE}", _HINT)
        origin = self.source if found.revision is None else f"{self.source}@{found.revision}"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"tokenizer.source={self.source} cannot be read: {error}", _HINT) from error
        plain = SubwordTokenizer("pretrained", text, source=origin)
        settings = _settings(path.with_name(_SETTINGS))
        end = _token(plain, settings, "eos_token", "sep_token")
        pad = _token(plain, settings, "pad_token")
        if pads and pad is None:
            pad = end  # as of decoders, which were trained without one; a mask leaves its places out
        if pads and pad is None:
            message = f"tokenizer.source={self.source} has no token to fill up short texts with"
            raise ConfigError(message, f'write "pad_token" into its {_SETTINGS}')
        return SubwordTokenizer("pretrained", text, pad=pad, end=end, source=origin)


def _settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _token(plain: SubwordTokenizer, settings: Mapping[str, Any], *keys: str) -> int | None:
    """Return the token that the first of some settings names."""
    for key in keys:
        name = settings.get(key)
        name = name.get("content") if isinstance(name, dict) else name
        if name in plain.names:
            return plain.names.index(name)
    return None
