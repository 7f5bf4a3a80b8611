"""Texts as tokens, and these as blocks, each with the same block one token further on as its target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.learned import DataState
from fastrun.components.tokenizer.protocol import Tokenizer, Trainer
from fastrun.components.tokenizer.restore import restore
from fastrun.errors import DataError

TOKENIZER = "tokenizer"  # the key of a tokenizer's state in the encoding that a run keeps
_PIECE = 1 << 16  # characters that are encoded at once, at least


def encode_parts(
    texts: Mapping[str, Sequence[str]], trainer: Trainer | None, learned: DataState | None
) -> tuple[Tokenizer, dict[str, Tensor]]:
    """Return a tokenizer, and the tokens of each split as int64 ``[n]``.

    Args:
        texts: the documents of each split.
        trainer: what makes the tokenizer, from the texts of ``train``, unless the run has one already.
        learned: what a run learned from its data, with its tokenizer; None for a new run.

    Raises:
        ConfigError: what the tokenizer is read from does not exist or is no tokenizer.
        DataError: a text has something that has no token.
    """
    if learned is not None and TOKENIZER in learned.encoding:
        tokenizer = restore(learned.encoding[TOKENIZER])
    else:
        assert trainer is not None, "a new run has a trainer"
        tokenizer = trainer.train(_pieces_of(texts["train"]), pads=False)
    return tokenizer, {name: _packed(documents, tokenizer) for name, documents in texts.items()}


def _packed(documents: Sequence[str], tokenizer: Tokenizer) -> Tensor:
    """Return the tokens of documents in a row, each followed by the token that ends one, if there is such a token."""
    parts: list[Any] = []
    for document in documents:
        parts += [np.asarray(one, np.int64) for one in tokenizer.encode(list(_pieces(document)))]
        if len(documents) > 1 and tokenizer.end is not None:
            parts.append(np.asarray([tokenizer.end], np.int64))
    return torch.from_numpy(np.concatenate(parts) if parts else np.zeros(0, np.int64))


def _pieces_of(documents: Iterable[str]) -> Iterator[str]:
    for document in documents:
        yield from _pieces(document)


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces that end where a line does, so that a long one does not take many times its memory."""
    low = 0
    while low < len(text):
        end = text.find("\n", low + _PIECE) + 1
        yield text[low : end or len(text)]
        low = end or len(text)


def describe_tokens(
    tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]], parts: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Return what the run directory records about tokens.

    With the bytes of a token, losses of different tokenizers can be compared: bits per byte are ``loss / ln 2`` divided
    by them.
    """
    sizes = {name: sum(len(document.encode()) for document in documents) for name, documents in texts.items()}
    return {
        "vocabulary": len(tokenizer.names),
        "tokens": {name: len(part) for name, part in parts.items()},
        "bytes_per_token": {name: round(sizes[name] / len(part), 4) for name, part in parts.items() if len(part)},
    }


def blocks(name: str, tokens: Tensor, length: int, stride: int | None, unit: str = "tokens") -> TensorDataset:
    """Return blocks and their targets as views of one tensor, which take no memory even where they overlap.

    Args:
        name: the split, for messages.
        tokens: int64 ``[n]``.
        length: the tokens of a block.
        stride: the distance between the starts of two blocks; None for ``length``.
        unit: what a token is called in messages.

    Raises:
        DataError: there are too few tokens for a block.
    """
    if len(tokens) <= length:
        raise DataError(
            f"the {name} set has {len(tokens)} {unit}, but a block of data.length={length} needs {length + 1}",
            f"use a longer text, a smaller data.length, or a larger part of the text for {name}",
        )
    x, y = (shifted.unfold(0, length, stride or length) for shifted in (tokens[:-1], tokens[1:]))
    return TensorDataset(x, y)
