"""A text as characters, each to be foretold from those before it: the data of character language models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.data.split import check
from fastrun.errors import ConfigError, DataError

_HINT = "data.root must be a text file"
_CODES = 0x110000  # as many characters as Unicode has room for


def text(
    root: str | None = None,
    length: int = 64,
    stride: int | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
) -> dict[str, Any]:
    """Return blocks of ``length`` characters as int64 ``[n, length]``, and the same a character further on.

    The file is cut in three, in its order: first ``train``, then ``val``, then ``test`` (none where its fraction is
    0). Blocks follow on one another, so that an epoch asks for every character once; what is left at a part's end,
    less than a block, is not used. With ``stride`` below ``length`` the blocks of ``train`` overlap. The vocabulary is
    that of the whole file: a character that ``train`` lacks has a place in it, too. Line ends are characters as any.

    Raises:
        ConfigError: ``root`` is not set, or another argument does not fit.
        DataError: the file cannot be read, is not UTF-8, has one character only, or too few for a block a part.
    """
    if root is None:
        raise ConfigError("data.root is not set", _HINT)
    if length < 1 or (stride is not None and stride < 1):
        raise ConfigError(f"data.length={length}, data.stride={stride}", "a block needs one character at least")
    check({"val": val_fraction, "test": test_fraction})
    tokens, classes = encoded(decoded(Path(root).expanduser()))
    if len(classes) < 2:
        found = f"has one character only, {classes[0]!r}" if classes else "is empty"
        raise DataError(f"{root} {found}", "there is nothing to foretell; " + _HINT)
    own = _cut(tokens, val_fraction, test_fraction)
    return {name: _blocks(name, part, length, stride if name == "train" else None) for name, part in own.items()} | {
        "classes": classes,
        "about": {"characters": {name: len(part) for name, part in own.items()}, "vocabulary": len(classes)},
    }


def decoded(path: Path) -> str:
    """Return what a UTF-8 file holds, without the mark that some programs put at its start.

    Raises:
        DataError: it cannot be read, or is not UTF-8; says from which byte on.
    """
    if not path.is_file():
        raise DataError(f"data.root={path} is {'a folder' if path.is_dir() else 'not there'}", _HINT)
    try:
        return path.read_bytes().decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        hint = f"save it as UTF-8: iconv -f ENCODING -t UTF-8 {path}"
        raise DataError(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}", hint
        ) from error


def encoded(characters: str) -> tuple[Tensor, list[str]]:
    """Return each character's place among the sorted different ones, as int64 ``[n]``, and these."""
    codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    place = np.zeros(_CODES, np.int64)
    place[codes] = 1
    vocabulary = place.nonzero()[0]
    place[vocabulary] = np.arange(len(vocabulary))
    return torch.from_numpy(place[codes]), [chr(code) for code in vocabulary]


def _cut(tokens: Tensor, val_fraction: float, test_fraction: float) -> dict[str, Tensor]:
    val, test = (int(len(tokens) * fraction) for fraction in (val_fraction, test_fraction))
    parts = torch.split(tokens, [len(tokens) - val - test, val, test])
    return {name: part for name, part in zip(("train", "val", "test"), parts, strict=True) if name != "test" or test}


def _blocks(name: str, tokens: Tensor, length: int, stride: int | None) -> TensorDataset:
    """Return blocks and their targets as views of the one tensor: however they overlap, they take no memory."""
    if len(tokens) <= length:
        raise DataError(
            f"the {name} part has {len(tokens)} characters, a block of data.length={length} needs {length + 1}",
            f"a longer text, a smaller data.length, or more for {name}",
        )
    return TensorDataset(*(part.unfold(0, length, stride or length) for part in (tokens[:-1], tokens[1:])))
