"""A text as characters or other tokens, each to be predicted from those before it: the data of language models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastrun.components.data.fingerprint import file_fingerprint
from fastrun.components.data.learned import NEW, DataState
from fastrun.components.data.stratified_split import check_fractions
from fastrun.components.data.text_file import TEXT_HINT, empty_error, read_utf8
from fastrun.components.data.token_blocks import TOKENIZER, blocks, describe_tokens, encode_parts
from fastrun.components.tokenizer.protocol import Trainer
from fastrun.config.constraints import BelowOne, Count
from fastrun.errors import ConfigError, DataError

_UNICODE = 0x110000  # the number of code points


def text(
    root: str | None = None,
    length: Count = 64,
    stride: Count | None = None,
    val_fraction: BelowOne = 0.1,
    test_fraction: BelowOne = 0.0,
    tokenizer: Trainer | None = None,
    learned: DataState | None = None,
) -> dict[str, Any]:
    """Return blocks of ``length`` tokens as int64 ``[n, length]``, and the same blocks one token further on.

    The file is cut in its order: first ``train``, then ``val``, then ``test``. Blocks follow one another, so that each
    token is a target once per epoch; a rest at the end of a split that is shorter than a block is not used. Without a
    tokenizer, each character is a token; the vocabulary is then that of the whole file and may contain characters that
    ``train`` does not have. A tokenizer is trained on ``train`` alone. Line ends are characters like any other.

    Args:
        root: the text file.
        length: the tokens of a block.
        stride: the distance between the starts of two blocks of ``train``, which overlap if it is below ``length``;
            None for ``length``.
        val_fraction: the part of the file to validate on.
        test_fraction: the part of the file to test on; 0 for no test set.
        tokenizer: what makes a tokenizer, from the group of this name; None for characters.
        learned: what a run learned from its data, whose tokenizer or vocabulary and split are used again.

    Raises:
        ConfigError: ``root`` is not set, or another argument is out of its range.
        DataError: the file cannot be read, is not UTF-8, consists of one character only, is too short for a block in
            each split, or has characters that the run does not know.
    """
    if root is None:
        raise ConfigError("data.root is not set", TEXT_HINT)
    check_fractions({"val": val_fraction, "test": test_fraction})
    path = Path(root).expanduser()
    characters = read_utf8(path)
    found = {"fingerprint": file_fingerprint(path) | {"characters": len(characters)}}
    if tokenizer is not None or (learned is not None and TOKENIZER in learned.encoding):
        if learned is None:
            bounds = _bounds(len(characters), val_fraction, test_fraction)
        else:
            bounds = _learned_bounds(len(characters), learned)
        return found | _tokenized(characters, bounds, root, length, stride, tokenizer, learned)
    tokens, classes = _encode(characters, root, learned)
    if learned is None:
        bounds = _bounds(len(tokens), val_fraction, test_fraction)
    else:
        bounds = _learned_bounds(len(tokens), learned)
    parts = {name: tokens[low:high] for name, (low, high) in bounds.items()}
    splits = {
        name: blocks(name, part, length, stride if name == "train" else None, "characters")
        for name, part in parts.items()
    }
    about = {"characters": {name: len(part) for name, part in parts.items()}, "vocabulary": len(classes)}
    split = {name: torch.tensor(bound) for name, bound in bounds.items()}
    return found | splits | {"classes": classes, "about": about, "split": split}


def _tokenized(
    characters: str,
    bounds: dict[str, tuple[int, int]],
    origin: str,
    length: int,
    stride: int | None,
    trainer: Trainer | None,
    learned: DataState | None,
) -> dict[str, Any]:
    """Return blocks of a tokenizer's tokens; no token is part of two splits."""
    texts = {name: [characters[low:high]] for name, (low, high) in bounds.items()}
    if not characters:
        raise empty_error(origin)
    tokenizer, parts = encode_parts(texts, trainer, learned)
    splits = {name: blocks(name, part, length, stride if name == "train" else None) for name, part in parts.items()}
    return splits | {
        "classes": tokenizer.names,
        "about": {"characters": {name: high - low for name, (low, high) in bounds.items()}}
        | describe_tokens(tokenizer, texts, parts),
        "split": {name: torch.tensor(bound) for name, bound in bounds.items()},
        "encoding": {TOKENIZER: tokenizer.state()},
    }


def _nothing_to_predict(root: str, classes: list[str]) -> DataError:
    if not classes:
        return empty_error(root)
    return DataError(f"{root} has one character only, {classes[0]!r}", f"there is nothing to predict; {TEXT_HINT}")


def encode_characters(characters: str) -> tuple[Tensor, list[str]]:
    """Return each character's index in the vocabulary as int64 ``[n]``, and the vocabulary, which is sorted."""
    codes = np.frombuffer(characters.encode("utf-32-le"), np.uint32)
    index_of = np.zeros(_UNICODE, np.int64)
    index_of[codes] = 1  # marks the characters that occur
    vocabulary = index_of.nonzero()[0]
    index_of[vocabulary] = np.arange(len(vocabulary))
    return torch.from_numpy(index_of[codes]), [chr(code) for code in vocabulary]


def encode_known(characters: str, vocabulary: list[str], origin: str) -> Tensor:
    """Return each character's index in a vocabulary as int64 ``[n]``.

    Args:
        characters: the text.
        vocabulary: the characters that a run knows.
        origin: where the text is from, for messages.

    Raises:
        DataError: the text has other characters.
    """
    tokens, own = encode_characters(characters)
    index_of = {character: index for index, character in enumerate(vocabulary)}
    if unknown := [character for character in own if character not in index_of]:
        listed = ", ".join(map(repr, unknown[:8])) + (" …" if len(unknown) > 8 else "")
        raise DataError(f"{origin} has characters that the run was not trained on: {listed}", "leave them out")
    return torch.tensor([index_of[character] for character in own], dtype=torch.int64)[tokens]


def _encode(characters: str, origin: str, learned: DataState | None) -> tuple[Tensor, list[str]]:
    """Return each character's index in the vocabulary as int64 ``[n]``, and the vocabulary: a run's, or a new one."""
    if learned is not None:
        vocabulary = learned.classes or []
        return encode_known(characters, vocabulary, origin), vocabulary
    tokens, vocabulary = encode_characters(characters)
    if len(vocabulary) < 2:
        raise _nothing_to_predict(origin, vocabulary)
    return tokens, vocabulary


def _learned_bounds(count: int, learned: DataState) -> dict[str, tuple[int, int]]:
    """Return the bounds of a run's splits, or those of a text that is not the run's, which is one part."""
    if learned.is_new:
        return {NEW: (0, count)}
    return {name: (int(low), int(high)) for name, (low, high) in learned.split.items()}


def _bounds(count: int, val_fraction: float, test_fraction: float) -> dict[str, tuple[int, int]]:
    """Return the first character of each split, and the one after its last."""
    val, test = (int(count * fraction) for fraction in (val_fraction, test_fraction))
    train = count - val - test
    bounds = {"train": (0, train), "val": (train, train + val)}
    return bounds | {"test": (train + val, count)} if test else bounds
