"""Reads a user's data set: what it draws at random depends on the place alone, what it raises becomes a DataError."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.collated import collate_of
from fastrun.components.data.splits import Samples
from fastrun.components.data.stream import Stream
from fastrun.components.pipeline.shared_memory import NoRoom
from fastrun.errors import DataError, FastrunError
from fastrun.system.seed import seeded


def read_samples(samples: Samples, indices: Sequence[int], *place: int | str) -> list[Any]:
    """Return samples of a batch.

    Args:
        samples: the data set.
        indices: which samples.
        place: what the random numbers depend on that the data set draws: the run's seed and the place of the batch,
            the epoch first.
    """
    if isinstance(samples, TensorDataset):
        return [samples[index] for index in indices]
    if isinstance(samples, Stream):
        return samples.read(indices, *place[:2])
    with seeded("samples", *place):
        return [samples[index] for index in indices]


def read_first(samples: Samples, count: int) -> Any:
    """Return a batch of the first samples of a data set, as for a trial.

    Raises:
        DataError: a sample cannot be read, or cannot be put into a batch with others.
    """
    with _blaming("a sample"):
        return collate_of(samples)(read_samples(samples, range(count), "trial"))


def read_batches(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader.

    Raises:
        DataError: a sample cannot be read, or cannot be put into a batch with others.
        StorageError: worker processes have no room for their batches.
    """
    batches = iter(loader)
    while True:
        with _blaming("a batch"):
            try:
                batch = next(batches)
            except StopIteration:
                return
        if isinstance(batch, NoRoom):
            raise batch.error()
        yield batch


def read_inputs(samples: Samples, indices: Iterable[int]) -> Tensor:
    """Return the inputs of some samples, ``[samples, …]``.

    Raises:
        DataError: a sample cannot be read, or has another shape than the others.
    """
    with _blaming("a sample"):
        return torch.stack([torch.as_tensor(samples[index][0]) for index in indices])


@contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Report what a block raises as an error of the data."""
    try:
        yield
    except (FastrunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise DataError(f"{what} cannot be read: {_last_line(error)}", "--debug shows the traceback") from error


def _last_line(error: Exception) -> str:
    """Return an error in a line: the last of one from a worker process, which contains its whole traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1] if len(lines) > 1 else f"{type(error).__name__}: {error}"
