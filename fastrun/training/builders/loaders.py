"""Building the loaders of a run: the sampler, and the batches of training and validation."""

from __future__ import annotations

from math import prod
from typing import NamedTuple, cast

import torch
from torch.utils.data import TensorDataset

from fastrun.components.augment import Augment
from fastrun.components.augment.mix import Mix
from fastrun.components.data.learned import DataState
from fastrun.components.data.packed.samples import PackedSamples
from fastrun.components.data.progress import show_progress
from fastrun.components.data.splits import Samples, Splits, size_of
from fastrun.components.data.stream import Stream
from fastrun.components.device.device import Device, free_bytes
from fastrun.components.pipeline import TrainLoader
from fastrun.components.pipeline.evaluation import EvalLoader, batch_size, same_count
from fastrun.components.pipeline.mixed import MixedLoader
from fastrun.components.pipeline.plain import PlainLoader
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.resident import ResidentLoader
from fastrun.components.pipeline.sampler import StatelessSampler
from fastrun.components.pipeline.workers import WorkerLoader
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system.free_space import format_mebibytes
from fastrun.training.builders.augment import build_augment
from fastrun.training.builders.setup import Setup, scaling_on

_WORKERS = 2  # where nobody has chosen a number
_RESIDENT_SHARE = 0.5  # of the free memory of a device is the most that data may take; the rest is for the network


class Loaders(NamedTuple):
    """The loaders of a run.

    Attributes:
        train: yields the batches of training without end.
        val: yields the batches of a validation.
    """

    train: TrainLoader
    val: EvalLoader


def build_loaders(settings: Settings, setup: Setup, sampler: StatelessSampler, resolved: Resolved) -> Loaders:
    """Return the loaders of training and validation.

    Raises:
        ConfigError: the augmentation does not fit the data.
    """
    train = build_train_loader(settings, setup, sampler, resolved)
    return Loaders(
        train,
        build_eval_loader(settings, setup.device, setup.learned, setup.splits.val, _training_part(settings, setup)),
    )


def build_sampler(settings: Settings, splits: Splits, device: Device, resolved: Resolved) -> StatelessSampler:
    """Return the sampler; a batch larger than the training set is cut to its size.

    Raises:
        ConfigError: the batch cannot be divided evenly among the processes.
    """
    batch, samples, world_size = settings.batch, size_of(splits.train), device.world_size
    size = batch.size
    if size > samples:
        size = samples - samples % world_size
        resolved.record("batch", f"size {size}", f"the training set has only {samples} samples")
    if size % world_size or size == 0:
        raise ConfigError(
            f"batch.size={batch.size} cannot be divided evenly among {world_size} processes",
            f"use a multiple of {world_size}",
        )
    drop_last = batch.drop_last or world_size > 1
    if drop_last and not batch.drop_last:
        resolved.record("batch", "drop_last=true", "several processes need equal batches")
    order = getattr(splits.train, "order", None)
    return StatelessSampler(
        samples,
        size,
        drop_last,
        settings.seed,
        device.rank,
        world_size,
        is_sequential=isinstance(splits.train, Stream),
        order=order if hasattr(order, "places") else None,
    )


def build_train_loader(settings: Settings, setup: Setup, sampler: StatelessSampler, resolved: Resolved) -> TrainLoader:
    """Return the loader of training.

    Raises:
        ConfigError: the augmentation does not fit the data.
    """
    augment = build_augment(settings, setup.splits)
    loader = _build_pipeline(settings, setup, sampler, augment, resolved)
    mix: Mix | None = getattr(augment, "mix", None)
    return MixedLoader(loader, mix, sampler) if mix else loader


def _build_pipeline(
    settings: Settings, setup: Setup, sampler: StatelessSampler, augment: Augment | None, resolved: Resolved
) -> TrainLoader:
    config, train, device = settings.pipeline, setup.splits.train, setup.device.torch_device
    if config.kind == "plain":
        return PlainLoader(train, sampler, _preparation(torch.device("cpu"), setup.learned, augment), device)
    prepare = _preparation(device, setup.learned, augment)
    if config.kind == "resident" and isinstance(train, PackedSamples):
        resolved.record("pipeline", "resident", "pipeline=resident")
        return ResidentLoader(load_packed(train, setup.device), sampler, prepare, device)
    reason = why_not_resident([train, setup.splits.val], setup.device)
    if config.kind in ("resident", "auto") and reason is None:
        resolved.record("pipeline", "resident", "the data fits the device")
        return ResidentLoader(cast(TensorDataset, train), sampler, prepare, device)
    resolved.record("pipeline", "workers", reason or "pipeline=workers")
    return WorkerLoader(train, sampler, prepare, device, _workers(settings, train), config.prefetch)


def build_eval_loader(
    settings: Settings, device: Device, learned: DataState, samples: Samples, training_part: int | None = None
) -> EvalLoader:
    """Return the loader that yields each sample of a split once, in batches of ``batch.eval_size`` or one that fits.

    Args:
        settings: the settings of the run.
        device: the device.
        learned: what the run learned from its data.
        samples: the split.
        training_part: the number of samples that training computes at once on the device; None if nothing is trained.
    """
    workers = 0 if settings.pipeline.kind == "plain" else _workers(settings, samples)
    is_resident = why_not_resident([samples], device) is None
    values = max(prod(learned.in_shape), prod(learned.task.shape(1, learned.in_shape)))
    size = settings.batch.eval_size
    if size is None:
        part = training_part or -(-settings.batch.size // settings.batch.accumulate)
        size = batch_size(values, part, device.torch_device, is_resident)
    if device.is_sharded:
        size = same_count(size, size_of(samples), device.world_size)
    prepare = _preparation(device.torch_device, learned)
    place = device.torch_device, device.rank, device.world_size
    return EvalLoader(samples, prepare, *place, is_resident, workers, size, settings.seed)


def _preparation(device: torch.device, learned: DataState, augment: Augment | None = None) -> Preparation:
    """Return what is done to batches on a device."""
    return Preparation(scaling_on(device, learned) if learned.is_paired else None, augment)


def _workers(settings: Settings, samples: Samples) -> int:
    """Return the number of processes that load samples; a stream is read by one, since it has an order."""
    workers = settings.pipeline.num_workers
    workers = _WORKERS if workers is None else workers
    return min(1, workers) if isinstance(samples, Stream) else workers


def _training_part(settings: Settings, setup: Setup) -> int:
    """Return the number of samples that training computes at once on a device."""
    size = min(settings.batch.size, size_of(setup.splits.train)) // setup.device.world_size
    return -(-size // settings.batch.accumulate)


def load_packed(samples: PackedSamples, device: Device) -> TensorDataset:
    """Return packed samples as tensors, which are read once.

    Raises:
        ConfigError: they take more than half of the free memory of the device.
    """
    needed, free = samples.decoded_bytes, free_bytes(device.torch_device)
    if free is not None and needed > _RESIDENT_SHARE * free:
        room = f"{format_mebibytes(free)} free on {device.name}"
        message = f"pipeline=resident: the data needs {format_mebibytes(needed)}, more than half of the {room}"
        raise ConfigError(message, "use pipeline=workers, which reads it from the disk")
    with show_progress("reading the pack", len(samples)) as on_progress:
        return samples.load(on_progress)


def why_not_resident(splits: list[Samples], device: Device) -> str | None:
    """Return why the splits cannot be kept on the device as a whole; None if they can."""
    if not isinstance(splits[0], TensorDataset):
        return "this data is not a TensorDataset, so its samples are loaded as they are needed"
    tensors = [tensor for split in splits if isinstance(split, TensorDataset) for tensor in split.tensors]
    needed, free = sum(tensor.nbytes for tensor in tensors), free_bytes(device.torch_device)
    if free is None or needed <= _RESIDENT_SHARE * free:
        return None
    room = f"{format_mebibytes(free)} free on {device.name}"
    return f"the data needs {format_mebibytes(needed)}, more than half of the {room}"
