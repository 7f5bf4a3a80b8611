"""A text as characters, each to be predicted from those before it: the data of character language models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.stratified_split import check_fractions
from fastrun.errors import ConfigError, DataError

_HINT = "data.root must be a text file"
_UNICODE = 0x110000  # the number of code points


def text(
    root: str | None = None,
    length: int = 64,
    stride: int | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
) -> dict[str, Any]:
    """Return blocks of ``length`` characters as int64 ``[n, length]``, and the same blocks one character further on.

    The file is cut in its order: first ``train``, then ``val``, then ``test``. Blocks follow one another, so that each
    character is a target once per epoch; a rest at the end of a split that is shorter than a block is not used. The
    vocabulary is that of the whole file and may contain characters that ``train`` does not have. Line ends are
    characters like any other.

    Args:
        root: the text file.
        length: the characters of a block.
        stride: the distance between the starts of two blocks of ``train``, which overlap if it is below ``length``;
            None for ``length``.
        val_fraction: the part of the file to validate on.
        test_fraction: the part of the file to test on; 0 for no test set.

    Raises:
        ConfigError: ``root`` is not set, or another argument is out of its range.
        DataError: the file cannot be read, is not UTF-8, consists of one character only, or is too short for a block in
            each split.
    """
    if root is None:
        raise ConfigError("data.root is not set", _HINT)
    if length < 1 or (stride is not None and stride < 1):
        raise ConfigError(f"data.length={length}, data.stride={stride}: a block needs characters", "the minimum is 1")
    check_fractions({"val": val_fraction, "test": test_fraction})
    tokens, classes = encode_characters(read_utf8(Path(root).expanduser()))
    if len(classes) < 2:
        problem = f"has one character only, {classes[0]!r}" if classes else "is empty"
        raise DataError(f"{root} {problem}", "there is nothing to predict; " + _HINT)
    cut = _cut(tokens, val_fraction, test_fraction)
    splits = {name: _blocks(name, own, length, stride if name == "train" else None) for name, own in cut.items()}
    about = {"characters": {name: len(own) for name, own in cut.items()}, "vocabulary": len(classes)}
    return splits | {"classes": classes, "about": about}


def read_utf8(path: Path) -> str:
    """Return the text of a UTF-8 file, without the byte order mark that some programs put at its start.

    Raises:
        DataError: the file cannot be read, or is not UTF-8; the message says from which byte on.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"data.root={path} {problem}", _HINT)
    try:
        return path.read_bytes().decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        hint = f"save it as UTF-8: iconv -f ENCODING -t UTF-8 {path}"
        raise DataError(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}", hint
        ) from error


def encode_characters(characters: str) -> tuple[Tensor, list[str]]:
    """Return each character's index in the vocabulary as int64 ``[n]``, and the vocabulary, which is sorted."""
    codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    index_of = np.zeros(_UNICODE, np.int64)
    index_of[codes] = 1  # marks the characters that occur
    vocabulary = index_of.nonzero()[0]
    index_of[vocabulary] = np.arange(len(vocabulary))
    return torch.from_numpy(index_of[codes]), [chr(code) for code in vocabulary]


def _cut(tokens: Tensor, val_fraction: float, test_fraction: float) -> dict[str, Tensor]:
    val, test = (int(len(tokens) * fraction) for fraction in (val_fraction, test_fraction))
    train_tokens, val_tokens, test_tokens = torch.split(tokens, [len(tokens) - val - test, val, test])
    splits = {"train": train_tokens, "val": val_tokens}
    return splits | {"test": test_tokens} if test else splits


def _blocks(name: str, tokens: Tensor, length: int, stride: int | None) -> TensorDataset:
    """Return blocks and their targets as views of one tensor, which take no memory even where they overlap."""
    if len(tokens) <= length:
        raise DataError(
            f"the {name} set has {len(tokens)} characters, but a block of data.length={length} needs {length + 1}",
            f"use a longer text, a smaller data.length, or a larger part of the text for {name}",
        )
    x, y = (shifted.unfold(0, length, stride or length) for shifted in (tokens[:-1], tokens[1:]))
    return TensorDataset(x, y)
