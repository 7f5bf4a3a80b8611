"""The device and the data of a run, which are set up once and passed on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import Splits
from fastrun.components.device.device import Device, choose_device
from fastrun.components.pipeline.standardize import Standardize, fit_standardize
from fastrun.config.settings import Settings
from fastrun.system.seed import seeded
from fastrun.training.builders.data import load_splits
from fastrun.training.objects import NONE, Objects


@dataclass(frozen=True)
class Setup:
    """The device and the data of a run.

    Attributes:
        device: the device of this process.
        splits: the data, on the host.
        learned: what the run learned from its data, the input scaling included.
        objects: the model and the callbacks that are given as objects.
    """

    device: Device
    splits: Splits
    learned: DataState
    objects: Objects = NONE


def scaling_on(device: torch.device, learned: DataState) -> Standardize:
    """Return the input scaling on a device, as a module that shares nothing with one on another device."""
    return Standardize(learned.mean, learned.scale).to(device)


def set_up(
    settings: Settings, learned: DataState | None = None, *, anyway: bool = False, objects: Objects = NONE
) -> Setup:
    """Choose the device, load the data, and fit the input scaling to the training set.

    What a user's data draws at random meanwhile depends on the seed of the run alone.

    Args:
        settings: the settings of the run.
        learned: what the run learned from its data before, which is used again; None for a new run.
        anyway: go on with data that has changed since then.
        objects: what takes the place of the config's model, data and callbacks.

    Raises:
        ConfigError: the device is not available, or the arguments of the data factory do not fit.
        DataError: the data cannot be read, cannot be trained on, or is not the data that the run learned from.
    """
    device = choose_device(settings.device)
    splits = load_splits(settings, learned, anyway=anyway, objects=objects)
    with seeded(settings.seed, "scaling"):  # a user's data set may draw its samples at random
        return Setup(device, splits, learned or learn(splits), objects)


def learn(splits: Splits) -> DataState:
    """Return what there is to learn from data, with the scaling fitted to the training set."""
    is_paired = splits.is_paired
    dtype = torch.as_tensor(splits.train[0][0]).dtype if is_paired else torch.get_default_dtype()
    scaling = fit_standardize(splits.train) if is_paired else Standardize(torch.zeros(1), torch.ones(1))
    return DataState(
        in_shape=splits.in_shape,
        dtype=str(dtype).removeprefix("torch."),
        task=splits.task,
        classes=splits.classes,
        fingerprint=splits.fingerprint,
        mean=scaling.mean,
        scale=scaling.scale,
        encoding=splits.encoding,
        split=splits.split,
        is_paired=is_paired,
    )
