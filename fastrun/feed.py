"""The data of a run: loaded, checked, and brought to the device by the pipeline that was asked for."""

from __future__ import annotations

from math import prod
from typing import cast

from torch.utils.data import TensorDataset

from fastrun import component
from fastrun.augment import Augment
from fastrun.augment.mix import Mix
from fastrun.data.sets import Samples, Sets, checked, size_of
from fastrun.errors import ConfigError, DataError, FastrunError
from fastrun.hardware import Place, free_bytes
from fastrun.heuristics import Heuristics
from fastrun.pipeline import Feed
from fastrun.pipeline.evaluation import Evaluation
from fastrun.pipeline.loader import Plain, Workers
from fastrun.pipeline.mixed import Mixed
from fastrun.pipeline.order import Order
from fastrun.pipeline.resident import Resident
from fastrun.pipeline.standardize import Standardize
from fastrun.settings import Settings

_SHARE = 0.5  # of a device's free memory that data may take: the rest is for the network


def load(settings: Settings) -> Sets:
    """Call the data factory and check what it returned.

    Raises:
        ConfigError: its arguments do not fit, or ``views`` does not fit the data.
        DataError: there is nothing there to train on.
    """
    factory = component.bind("data", settings.data)
    if factory is None:
        raise ConfigError("data._target_ is not set", "choose a data set: `fastrun options data`")
    component.missing("data", factory)
    try:
        sets = checked(factory())
    except (FastrunError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"the data cannot be read: {error}", "check data.root") from error
    except Exception as error:
        raise DataError(*component.told(factory.func, error)) from error
    if settings.views != "none" and len(sets.in_shape) != 3:
        raise ConfigError(f"views={settings.views} needs images; this data has shape {list(sets.in_shape)}")
    return sets


def order(settings: Settings, sets: Sets, place: Place, heuristics: Heuristics) -> Order:
    """Return the order of every epoch, the batch cut to what there is.

    Raises:
        ConfigError: the batch cannot be shared evenly by the processes.
    """
    batch, samples = settings.batch, size_of(sets.train)
    size = batch.size
    if size > samples:
        size = samples - samples % place.world
        heuristics.use("batch", f"size {size}", f"the training set has {samples} samples only")
    if size % place.world or size == 0:
        raise ConfigError(f"batch.size={batch.size} cannot be shared by {place.world} processes", "make it a multiple")
    drop_last = batch.drop_last or place.world > 1
    if drop_last and not batch.drop_last:
        heuristics.use("batch", "drop_last=true", "several processes need equal batches")
    return Order(samples, size, drop_last, settings.seed, place.rank, place.world)


def feed(settings: Settings, sets: Sets, order: Order, scale: Standardize, place: Place, used: Heuristics) -> Feed:
    """Return what yields the batches.

    Raises:
        ConfigError: the augmentation does not fit the data.
    """
    augment = _augment(settings, sets)
    plain = _pipeline(settings, sets, order, augment, scale, place, used)
    mix: Mix | None = getattr(augment, "mix", None)
    return Mixed(plain, mix, order) if mix else plain


def _pipeline(
    settings: Settings,
    sets: Sets,
    order: Order,
    augment: Augment | None,
    scale: Standardize,
    place: Place,
    used: Heuristics,
) -> Feed:
    kind, pipeline = settings.pipeline.kind, settings.pipeline
    if kind == "plain":
        return Plain(sets.train, order, augment, scale, place.device)
    if kind == "resident":
        reason = not_resident([sets.train, sets.val], place)
        if reason is None:
            return Resident(cast(TensorDataset, sets.train), order, augment, scale, place.device)
        used.use("pipeline", "workers", reason)
    return Workers(sets.train, order, augment, scale, place.device, pipeline.num_workers, pipeline.prefetch)


def evaluation(settings: Settings, sets: Sets, samples: Samples, scale: Standardize, place: Place) -> Evaluation:
    """Return what yields the batches of a part of the data to measure it."""
    workers = 0 if settings.pipeline.kind == "plain" else settings.pipeline.num_workers
    resident = not_resident([samples], place) is None
    outputs = prod(sets.task.shape(1, sets.in_shape))
    return Evaluation(samples, scale, place.device, place.rank, place.world, resident, workers, outputs)


def not_resident(parts: list[Samples], place: Place) -> str | None:
    """Return why parts of the data cannot lie on the device whole, the first above all; None where they can."""
    if not isinstance(parts[0], TensorDataset):
        return "this data is loaded as it is needed: it is no TensorDataset"
    tensors = [tensor for part in parts if isinstance(part, TensorDataset) for tensor in part.tensors]
    needed, free = sum(tensor.nbytes for tensor in tensors), free_bytes(place.device)
    if free is None or needed <= _SHARE * free:
        return None
    return f"the data needs {_mebibytes(needed)}, more than half of the {_mebibytes(free)} free on {place.name}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _augment(settings: Settings, sets: Sets) -> Augment | None:
    bound = component.bind("augment", settings.augment)
    if bound is None:
        return None
    if len(sets.in_shape) != 3:
        raise ConfigError(f"augment needs images; this data has shape {list(sets.in_shape)}", "use augment=none")
    offered = component.named(bound, in_shape=sets.in_shape, num_classes=sets.num_classes)
    component.missing("augment", bound, *offered)
    return cast("Augment", bound(**offered))
