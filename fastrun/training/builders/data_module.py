"""What a data factory may return besides data sets: a LightningDataModule, dataloaders, and iterable data sets."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from fastrun.components.data.collated import Collate, Collated
from fastrun.components.data.stream import Stream, length_of
from fastrun.errors import DataError

_SPLITS = ("train", "val", "test")
_HOOKS = ("transfer_batch_to_device", "on_before_batch_transfer", "on_after_batch_transfer")
_ORDERS = (RandomSampler, SequentialSampler)

log = logging.getLogger("fastrun")


def data_sets(data: Any) -> Any:
    """Return what a data factory returned with a data set for each split.

    A LightningDataModule is set up and asked for its dataloaders. Of a dataloader its data set and its ``collate_fn``
    are taken; order, batch size and worker processes are fastrun's. ``collate_fn`` beside the splits is for all.

    Raises:
        DataError: a dataloader decides itself which samples are in a batch, or a hook would not be called.
    """
    if is_data_module(data):
        data = _loaders_of(data)
    if not isinstance(data, Mapping):
        return data
    collate = data.get("collate_fn", default_collate)
    splits = {name: _data_set(name, data[name], collate) for name in _SPLITS if data.get(name) is not None}
    return {**data, **splits}


def is_data_module(data: Any) -> bool:
    """Say whether an object is a LightningDataModule, of either package of Lightning."""
    return any(kind.__name__ == "LightningDataModule" for kind in type(data).__mro__)


def _loaders_of(module: Any) -> dict[str, Any]:
    kind = type(module)
    for hook in _HOOKS:
        if _has_own(kind, hook):
            problem = f"{kind.__qualname__} has a {hook} of its own, which would not be called"
            raise DataError(problem, "change the samples in the data set, or the batch in training_step")
    module.prepare_data()
    module.setup("fit")
    loaders = {"train": module.train_dataloader(), "val": module.val_dataloader()}
    if _has_own(kind, "test_dataloader"):
        module.setup("test")
        loaders["test"] = module.test_dataloader()
    return loaders


def _has_own(kind: type, name: str) -> bool:
    owner = next((one for one in kind.__mro__ if name in vars(one)), object)
    return not owner.__module__.startswith(("pytorch_lightning.", "lightning."))


def _data_set(name: str, value: Any, collate: Collate) -> Any:
    """Return the data set of a split, with the function that makes its batches."""
    if isinstance(value, DataLoader):
        _check_order(name, value)
        own = value.collate_fn
        value, collate = value.dataset, collate if own is default_collate else own
    elif isinstance(value, (list, tuple, Mapping)) and value and not hasattr(value, "__getitems__"):
        parts = value.values() if isinstance(value, Mapping) else value
        if any(isinstance(part, DataLoader) for part in parts):
            raise DataError(f"there are {len(value)} {name} dataloaders", "a run has one: join their data sets")
    if isinstance(value, IterableDataset):
        return Stream(value, _count(name, value), collate)
    return Collated(value, collate) if collate is not default_collate and isinstance(value, Dataset) else value


def _check_order(name: str, loader: DataLoader[Any]) -> None:
    """Check that a dataloader leaves it to fastrun which samples are in a batch.

    Raises:
        DataError: it does not.
    """
    if isinstance(loader.dataset, IterableDataset):
        if loader.batch_size is None:
            raise DataError(f"the {name} dataloader's data set makes its own batches", "let it yield single samples")
        return
    if loader.batch_size is None or type(loader.batch_sampler) is not BatchSampler:
        raise DataError(f"the {name} dataloader makes its own batches", "give the data set: fastrun makes the batches")
    if not isinstance(loader.sampler, _ORDERS) or getattr(loader.sampler, "replacement", False):
        sampler = type(loader.sampler).__name__
        raise DataError(f"the {name} dataloader has a {sampler}, which would not be used", "give the data set alone")


def _count(name: str, samples: IterableDataset[Any]) -> int:
    length = length_of(samples)
    if length is not None:
        return length
    log.info(f"counting the samples of the {name} set, which has no __len__")
    return sum(1 for _ in samples)
