"""Yields the batches of validations and tests: every sample once, in order, in batches of an efficient size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fastrun.components.data.collated import collate_of
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.reading import read_batches, read_samples
from fastrun.components.pipeline.shared_memory import NoRoom, with_room
from fastrun.components.pipeline.structure import map_tensors, to_device
from fastrun.errors import ConfigError
from fastrun.system import signals

BATCH_BYTES = 2 << 20  # of floats: on a CPU a larger batch does not fit the cache and is slower
SIZE = 64  # samples of a batch that are enough for an efficient pass, where they take more bytes than that
_LOADED = 256  # samples of a batch that is loaded sample by sample at most
_PARTS = 4  # as many of the parts that training computes take less memory without gradients than one with them


def batch_size(values: int, part: int, device: torch.device, resident: bool) -> int:
    """Return a number of samples for the batches of a validation that is fast and fits where training fits.

    Args:
        values: the values of a sample's input or of the network's output for it, whichever are more.
        part: the number of samples that training computes at once.
        device: where the batches go.
        resident: whether the samples are on the device already.
    """
    limit = BATCH_BYTES if device.type == "cpu" else 32 * BATCH_BYTES
    size = max(limit // (4 * values), min(SIZE, part))
    return min(size, _PARTS * part, size if resident else _LOADED)


def same_count(size: int, samples: int, processes: int) -> int:
    """Return a number of samples for a batch with which all processes have as many batches, ``size`` or a little less.

    Processes that divide a network's weights must run it equally often. Each takes every ``processes``-th sample.

    Args:
        size: the number of samples in a batch.
        samples: the number of samples.
        processes: the number of processes.

    Raises:
        ConfigError: there is no such number.
    """
    least, most = samples // processes, -(-samples // processes)
    if least == most:
        return size
    for smaller in range(min(size, most), 1, -1):
        if -(-least // smaller) == -(-most // smaller) > 0:
            return smaller
    message = f"{samples} samples cannot be divided among {processes} processes in as many batches each"
    raise ConfigError(message, f"give a multiple of {processes} samples, or use device=ddp")


class EvalLoader:
    """Yields one process's share of a data set, any number of times.

    Args:
        samples: the data set.
        prepare: makes batches; scales them on the device.
        device: where the batches go.
        rank: the number of this process, from 0; it takes every ``world_size``-th sample.
        world_size: the number of processes.
        resident: keep a TensorDataset on the device.
        num_workers: the number of processes that load samples of a data set that is not resident.
        size: the number of samples in a batch, at most all of the share; :func:`batch_size` chooses one.
        seed: the seed of the run, for what the data set draws at random; every evaluation draws the same.
    """

    def __init__(
        self,
        samples: Samples,
        prepare: Preparation,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        resident: bool = True,
        num_workers: int = 0,
        size: int = SIZE,
        seed: int = 0,
    ) -> None:
        own = range(rank, size_of(samples), world_size)
        self.prepare, self.device, self.size = prepare, device, max(1, min(size, len(own)))
        self.resident: list[Tensor] | None = None
        self.loader: DataLoader[Any] | None = None
        if resident and isinstance(samples, TensorDataset):
            self.resident = [tensor[rank::world_size].to(device) for tensor in samples.tensors]
            return
        size = self.size
        self.loader = DataLoader(
            _Batches(samples, seed),
            sampler=[own[low : low + size] for low in range(0, len(own), size)],
            batch_size=None,  # the sampler yields the indices of a whole batch
            num_workers=num_workers,
            worker_init_fn=signals.shield_worker,
            persistent_workers=num_workers > 0,
            pin_memory=device.type == "cuda",
        )

    def close(self) -> None:
        """End the worker processes. Where they are left to the garbage collector, it waits 5 seconds for each."""
        self.loader = None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the scaled batches on the device."""
        if self.resident is not None:
            for batch in zip(*(torch.split(tensor, self.size) for tensor in self.resident), strict=True):
                prepared = self.prepare(batch)
                is_kept = prepared[0] is batch[0]
                yield map_tensors(torch.clone, prepared) if is_kept else prepared  # a network may change it in place
        else:
            assert self.loader is not None, "it is closed"
            for batch in read_batches(self.loader):
                yield self.prepare(to_device(batch, self.device))


class _Batches(Dataset[Batch | NoRoom]):
    """A data set of whole batches."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples, self.collate, self.seed = samples, collate_of(samples), seed

    def __getitem__(self, indices: range) -> Batch | NoRoom:
        return with_room(self.collate(read_samples(self.samples, indices, self.seed, "evaluation", indices.start)))
