"""Comparing an exported model, read back from its file, with the network that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fastrun.components.task import Task
from fastrun.errors import ConfigError
from fastrun.training.trained.export.samples import Samples

Function = Callable[[Tensor], Tensor]

TOLERANCE = 1e-4  # of the scale of the outputs
_ROUNDING = 5e-3  # of a mean is a deviation of which float32 can tell a ten thousandth
_FIRST, _REST = (1, 2, 7), 32  # samples of a batch


@dataclass(frozen=True)
class Agreement:
    """How well an exported model agrees with its network.

    Attributes:
        difference: the largest absolute difference between the outputs of both.
        relative: the same relative to the scale of the outputs: the standard deviation of the targets of a regression,
            the largest absolute output otherwise.
        largest: the largest absolute output.
        samples: the number of samples.
        batches: the sizes of the batches.
        origin: where the samples are from, in words.
    """

    difference: float
    relative: float
    largest: float
    samples: int
    batches: list[int]
    origin: str


def compare(network: Function, exported: Function, samples: Samples, task: Task, *, any_length: bool) -> Agreement:
    """Compare the outputs of two functions for batches of several sizes.

    Args:
        network: what the outputs should be.
        exported: what is compared with it.
        samples: the samples.
        task: what the network was trained for.
        any_length: whether the exported model takes shorter sequences, too.

    Raises:
        ConfigError: they differ by more than :data:`TOLERANCE`, or the outputs are not finite.
    """
    scale, largest, difference, scaled = _scale(task), 0.0, 0.0, 0.0
    sizes: set[int] = set()
    with torch.inference_mode():
        for batch in _batches(samples.inputs, any_length):
            right = network(batch.clone()).double()  # a network may change its inputs
            found = exported(batch.clone()).double()
            _check(right, found)
            off = (found - right).abs()
            largest = max(largest, float(right.abs().max()))
            difference, scaled = max(difference, float(off.max())), max(scaled, float((off / scale).max()))
            sizes.add(len(batch))
    relative = scaled if task.name == "regression" else difference / (largest or 1.0)
    if relative > TOLERANCE:
        raise ConfigError(
            f"the exported model differs from the network by up to {difference:.3g}, which is "
            f"{relative:.1e} of the scale of its outputs, so no file is kept",
            "try another format: --to onnx, torch or safetensors",
        )
    return Agreement(difference, relative, largest, len(samples.inputs), sorted(sizes), samples.origin)


def _batches(inputs: Tensor, any_length: bool) -> Iterator[Tensor]:
    """Yield every sample in one batch at least; first in small batches, last as shorter sequences."""
    start = 0
    for size in _FIRST:
        if start < len(inputs):
            yield inputs[start : start + size]
            start += size
    if start < len(inputs):
        yield from inputs[start:].split(_REST)
    if any_length:
        for length in sorted({1, (inputs.shape[1] + 1) // 2}):
            yield inputs[:2, :length]


def _check(right: Tensor, found: Tensor) -> None:
    """Check that outputs can be compared.

    Raises:
        ConfigError: their shapes differ, or they are not finite.
    """
    if not right.isfinite().all():
        raise ConfigError("the network's outputs are not finite", "choose another checkpoint: --ckpt last, or a path")
    if right.shape != found.shape or not found.isfinite().all():
        what = f"outputs of shape {list(found.shape)}" if right.shape != found.shape else "outputs that are not finite"
        raise ConfigError(
            f"for a batch of {len(right)}, the exported model returns {what}, and the network {list(right.shape)}",
            "try another format: --to onnx, torch or safetensors",
        )


def _scale(task: Task) -> Tensor:
    """Return what the differences of a regression are measured by, for each output; one for other tasks."""
    if task.name != "regression":
        return torch.ones(1, dtype=torch.double)
    mean, std = (torch.tensor(values, dtype=torch.double) for values in (task.mean, task.std))
    return std.maximum(_ROUNDING * mean.abs())
