"""The device, the data and the input scaling of a run, which are set up once and passed on."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch

from fastrun.components.data.splits import Splits
from fastrun.components.device.device import Device, choose_device
from fastrun.components.pipeline.standardize import Standardize, fit_standardize
from fastrun.config.settings import Settings
from fastrun.training.builders.data import load_splits


@dataclass(frozen=True)
class Setup:
    """The device, the data and the scaling of a run.

    Attributes:
        device: the device of this process.
        splits: the data, on the host.
        scaling: the input scaling, fitted to the training set, on the host. :meth:`scaling_on` copies it to a device.
    """

    device: Device
    splits: Splits
    scaling: Standardize

    def scaling_on(self, device: torch.device) -> Standardize:
        """Return a copy of the scaling on a device."""
        return deepcopy(self.scaling).to(device)


def set_up(settings: Settings) -> Setup:
    """Choose the device, load the data, and fit the input scaling to the training set.

    Raises:
        ConfigError: the device is not available, or the arguments of the data factory do not fit.
        DataError: the data cannot be read, or cannot be trained on.
    """
    device = choose_device(settings.device)
    splits = load_splits(settings)
    return Setup(device, splits, fit_standardize(splits.train))
