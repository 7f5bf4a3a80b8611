"""Text that a trained network writes: each next character is drawn from what the network expects after those before."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from fastrun.components.data.inputs import input_kind
from fastrun.errors import ConfigError, DataError
from fastrun.training.trained.forward import Forward
from fastrun.training.trained.model import TrainedNetwork


def generate(trained: TrainedNetwork, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
    """Yield the characters that follow a text, one by one.

    Args:
        trained: the network, and what its run learned from its data.
        prompt: the beginning, of characters that the run's text has.
        length: how many characters to write.
        temperature: above 1 makes unlikely characters more likely, below 1 less; 0 takes the most likely one.
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
    (context,) = learned.in_shape
    random = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        forward = Forward(trained)
        for _ in range(length):
            logits = forward(tokens[:, -context:].to(forward.device.torch_device))[0, -1].float().cpu()
            token = logits.argmax() if temperature == 0 else _draw(logits / temperature, random)
            tokens = torch.cat([tokens, token.view(1, 1)], 1)
            yield learned.classes[int(token)]


def _draw(logits: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    return torch.multinomial(torch.softmax(logits, 0), 1, generator=random)
