"""The data of a run: loaded, checked, and brought to the device by the pipeline that was asked for."""

from __future__ import annotations

from typing import cast

from torch.utils.data import TensorDataset

from fastrun import component
from fastrun.augment import Augment
from fastrun.data.sets import Sets, checked, size_of
from fastrun.errors import ConfigError, DataError
from fastrun.hardware import Place
from fastrun.heuristics import Heuristics
from fastrun.module import Feed
from fastrun.pipeline.loader import Plain, Workers
from fastrun.pipeline.order import Order
from fastrun.pipeline.resident import Resident
from fastrun.pipeline.standardize import Standardize
from fastrun.settings import Settings


def load(settings: Settings) -> Sets:
    """Call the data factory and check what it returned.

    Raises:
        ConfigError: its arguments do not fit.
        DataError: there is nothing there to train on.
    """
    factory = component.bind("data", settings.data)
    if factory is None:
        raise ConfigError("data._target_ is not set", "choose a data set: `fastrun options data`")
    component.missing("data", factory)
    try:
        return checked(factory())
    except OSError as error:
        raise DataError(f"the data cannot be read: {error}", "check data.root") from error


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
    augment = cast("Augment | None", _augment(settings, sets))
    pipeline = settings.pipeline
    if pipeline.kind == "plain":
        return Plain(sets.train, order, augment, scale, place.device)
    if pipeline.kind == "resident" and isinstance(sets.train, TensorDataset):
        return Resident(sets.train, order, augment, scale, place.device)
    if pipeline.kind == "resident":
        used.use("pipeline", "workers", "only a TensorDataset can be resident")
    return Workers(sets.train, order, augment, scale, place.device, pipeline.num_workers, pipeline.prefetch)


def _augment(settings: Settings, sets: Sets) -> object | None:
    bound = component.bind("augment", settings.augment)
    if bound is None:
        return None
    if len(sets.in_shape) != 3:
        raise ConfigError(f"augment needs images; this data has shape {list(sets.in_shape)}", "use augment=none")
    offered = component.named(bound, in_shape=sets.in_shape)
    component.missing("augment", bound, *offered)
    return cast(object, bound(**offered))
