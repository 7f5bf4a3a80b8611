"""Texts as inputs of a trained model, which its run's tokenizer makes tokens of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fastrun.components.data.learned import DataState
from fastrun.components.tokenizer.protocol import Tokenizer
from fastrun.components.tokenizer.restore import restore
from fastrun.errors import DataError


@dataclass(frozen=True)
class TokenText:
    """The beginning of a text that a network goes on with, or texts of as many tokens, or the tokens themselves."""

    learned: DataState

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of the run."""
        assert self.learned.tokenizer is not None
        return restore(self.learned.tokenizer)

    def describe(self) -> str:
        """Return what is taken, in words."""
        return f"a text, or texts of as many tokens; the tokenizer has {len(self.tokenizer.names):,}"

    def prepare(self, inputs: Any) -> Tensor:
        """Return tokens, int64 ``[batch, length]``.

        Raises:
            DataError: the inputs are no texts, or have different numbers of tokens.
        """
        if isinstance(inputs, Tensor):
            return inputs.unsqueeze(0) if inputs.ndim == 1 else inputs
        tokens = self.tokenizer.encode(_texts(inputs, self.describe()))
        if len({len(one) for one in tokens}) != 1 or not tokens[0]:
            raise DataError("the texts have different numbers of tokens, or none", f"the model takes {self.describe()}")
        return torch.tensor(tokens)


@dataclass(frozen=True)
class WholeTexts:
    """Whole texts of any length, which are cut off or filled up as those of the run, or the tokens themselves."""

    learned: DataState

    @property
    def column(self) -> str:
        """Return the column of a table that has the texts."""
        return str(self.learned.encoding["text"])

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of the run."""
        assert self.learned.tokenizer is not None
        return restore(self.learned.tokenizer)

    def describe(self) -> str:
        """Return what is taken, in words."""
        (length,) = self.learned.in_shape
        files = f"a .txt file with a text a line, or a table with the column {self.column}"
        return f"texts, of which the first {length} tokens count: {files}"

    def prepare(self, inputs: Any) -> Tensor:
        """Return tokens, int64 ``[batch, length]``.

        Raises:
            DataError: the inputs are no texts.
        """
        (length,) = self.learned.in_shape
        if isinstance(inputs, Tensor):
            if inputs.is_floating_point() or inputs.shape[-1:] != (length,):
                raise DataError(f"the inputs have shape {list(inputs.shape)}", f"the model takes {self.describe()}")
            return inputs.view(-1, length).long()
        return torch.tensor(self.tokenizer.encode_whole(_texts(inputs, self.describe()), length))


def _texts(inputs: Any, described: str) -> list[str]:
    texts = [inputs] if isinstance(inputs, str) else list(inputs)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise DataError(f"the inputs are no texts but a {type(inputs).__name__}", f"the model takes {described}")
    return texts
