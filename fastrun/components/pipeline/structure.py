"""Batches of any structure: pairs ``(inputs, targets)``, or dicts, tuples and lists of tensors, nested as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from fastrun.errors import ConfigError


def map_tensors(function: Callable[[Tensor], Tensor], batch: Any) -> Any:
    """Return a batch with a function applied to each of its tensors; other values, such as strings, stay as they are.

    A batch of a type of its own that has a method ``to``, such as those of graph libraries, is left to its library.
    """
    if isinstance(batch, Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {key: map_tensors(function, value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple
        return type(batch)(*(map_tensors(function, value) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map_tensors(function, value) for value in batch)
    return batch


def to_device(batch: Any, device: Any) -> Any:
    """Return a batch whose tensors are on a device."""
    if not isinstance(batch, (Tensor, Mapping, list, tuple)) and hasattr(batch, "to"):
        return batch.to(device)
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), batch)


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """Yield the tensors of a batch, in its order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors_of(value)
    elif isinstance(batch, (list, tuple)):
        for value in batch:
            yield from tensors_of(value)


def batch_length(batch: Any) -> int:
    """Return the number of samples in a batch, which is the length of its first tensor that has one.

    Raises:
        ConfigError: it has no such tensor.
    """
    for tensor in tensors_of(batch):
        if tensor.ndim:
            return len(tensor)
    if hasattr(batch, "__len__") and not isinstance(batch, (Mapping, list, tuple)):
        return len(batch)
    raise ConfigError(f"a batch of type {type(batch).__name__} has no tensor that tells its number of samples")


def chunk(batch: Any, parts: int) -> list[Any]:
    """Return a batch in parts, as :func:`torch.chunk` cuts tensors.

    Raises:
        ConfigError: something in it cannot be cut.
    """
    samples = batch_length(batch)
    size = -(-samples // parts)
    return [_cut(batch, slice(low, low + size), samples) for low in range(0, samples, size)]


def _cut(batch: Any, part: slice, samples: int) -> Any:
    if isinstance(batch, Tensor):
        return batch[part] if batch.ndim and len(batch) == samples else batch
    if isinstance(batch, Mapping):
        return {key: _cut(value, part, samples) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        if len(batch) == samples and not any(True for _ in tensors_of(batch)):  # strings, for one
            return batch[part]
        cut = (_cut(value, part, samples) for value in batch)
        return type(batch)(*cut) if hasattr(batch, "_fields") else type(batch)(cut)
    if batch is None or isinstance(batch, (int, float, str)):
        return batch
    raise ConfigError(f"a batch of type {type(batch).__name__} cannot be cut into parts", "batch.accumulate=1")
