"""Byte-level byte-pair encoding, trained on the run's own text.

Sources: Sennrich et al. 2016, "Neural machine translation of rare words with subword units"; on bytes as in Radford et
al. 2019 (GPT-2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastrun.components.tokenizer.subword import SubwordTokenizer, import_tokenizers
from fastrun.config.constraints import Count, Range

_PAD = "<pad>"

Size = Annotated[int, Range(ge=258, le=1_000_000, advice="the 256 bytes are tokens in any case")]


def bpe(size: Size = 1024, min_frequency: Count = 2) -> BpeTrainer:
    """Return what trains a byte-level tokenizer on the training part of a text.

    Any text can be encoded, since every byte is a token. The same text makes the same tokenizer.

    Args:
        size: the number of different tokens, at most.
        min_frequency: how often a pair must occur to become a token.
    """
    return BpeTrainer(size, min_frequency)


class BpeTrainer:
    """Joins the pairs of tokens that are most frequent, one after the other."""

    def __init__(self, size: int, min_frequency: int) -> None:
        self.size, self.min_frequency = size, min_frequency

    def train(self, texts: Iterable[str], *, pads: bool) -> SubwordTokenizer:
        """Return the tokenizer of a text.

        Raises:
            ConfigError: the library tokenizers is not installed.
        """
        library = import_tokenizers()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=self.min_frequency,
            special_tokens=[_PAD] if pads else [],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return SubwordTokenizer("bpe", tokenizer.to_str(), pad=0 if pads else None)
