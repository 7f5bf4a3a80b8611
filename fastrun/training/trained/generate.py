"""Text that a trained network writes: each next token is drawn from what the network expects after those before."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from fastrun.components.data.inputs import input_kind
from fastrun.components.data.learned import DataState
from fastrun.components.tokenizer.restore import restore
from fastrun.errors import ConfigError, DataError
from fastrun.training.trained.forward import Forward
from fastrun.training.trained.model import TrainedNetwork

_NO_CHARACTER = "\ufffd"  # stands for bytes that are no character
_MOST_WAITING = 4  # tokens: a character has four bytes at most


def generate(trained: TrainedNetwork, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
    """Yield the text that follows a text, token by token: a character, or a part of a word.

    Args:
        trained: the network, and what its run learned from its data.
        prompt: the beginning, of characters that the run's text has.
        length: how many tokens to write.
        temperature: above 1 makes unlikely tokens more likely, below 1 less; 0 takes the most likely one.
        seed: what is drawn; the same seed writes the same text on the same machine.

    Raises:
        ConfigError: the network does not continue text.
        DataError: the prompt is empty, or has a character that the run's text does not have.
    """
    learned = trained.learned
    if learned.task.name != "language" or learned.classes is None:
        raise ConfigError(
            "--prompt is for networks that continue text", f"this one takes {input_kind(learned).describe()}"
        )
    if not prompt:
        raise DataError("the prompt is empty", "give the beginning of a text: --prompt TEXT")
    tokens = input_kind(learned).prepare(prompt)
    written = _Written(learned, tokens[0].tolist())
    (context,) = learned.in_shape
    random = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        forward = Forward(trained)
        for _ in range(length):
            logits = forward(tokens[:, -context:].to(forward.device.torch_device))[0, -1].float().cpu()
            token = logits.argmax() if temperature == 0 else _draw(logits / temperature, random)
            tokens = torch.cat([tokens, token.view(1, 1)], 1)
            if text := written.add(int(token)):
                yield text
    if rest := written.rest():
        yield rest


class _Written:
    """The tokens that are written, as text: bytes that are no whole character yet wait for those that follow.

    Args:
        learned: what the run learned from its data.
        prompt: the tokens that come before.
    """

    def __init__(self, learned: DataState, prompt: list[int]) -> None:
        self._names = learned.classes or []
        self._tokenizer = None if learned.tokenizer is None else restore(learned.tokenizer)
        self._tokens, self._waiting = prompt, 0
        self._shown = 0 if self._tokenizer is None else len(self._tokenizer.decode(prompt))

    def add(self, token: int) -> str:
        """Return the text that is known with one more token; it may be empty."""
        if self._tokenizer is None:
            return self._names[token]
        self._tokens.append(token)
        self._waiting += 1
        text = self._tokenizer.decode(self._tokens)  # of all, since some tokenizers put spaces between words
        return "" if text.endswith(_NO_CHARACTER) and self._waiting < _MOST_WAITING else self._take(text)

    def rest(self) -> str:
        """Return the text of the tokens that wait."""
        return self._take(self._tokenizer.decode(self._tokens)) if self._tokenizer and self._waiting else ""

    def _take(self, text: str) -> str:
        new, self._shown, self._waiting = text[self._shown :], len(text), 0
        return new


def _draw(logits: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    return torch.multinomial(torch.softmax(logits, 0), 1, generator=random)
