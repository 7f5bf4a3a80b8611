"""The outputs of a trained network on its device, computed as in the validations of its run."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from fastrun.components.amp.precision import choose_precision
from fastrun.components.amp.single_pixel import keep_in_float32, single_pixel_convolutions
from fastrun.components.data.learned import DataState
from fastrun.components.device.device import Device, choose_device, set_threads
from fastrun.components.pipeline.standardize import Standardize
from fastrun.components.test_time_augmentation import averaged_logits
from fastrun.config.settings import Settings
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.trained.model import TrainedNetwork


class Forward:
    """The forward pass of a trained network, with the run's precision and its average over variants of an image.

    Args:
        trained: the network; it is moved to the device.

    Attributes:
        device: the device.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        settings = trained.settings
        self.device: Device = choose_device(settings.device)
        set_threads(settings.speed.threads, self.device)
        self._net = trained.net.to(self.device.torch_device)
        if self.device.torch_device.type == "cpu" and not has_own_loss(self._net):
            _compute_as_in_training(self._net, trained.learned)
        self._precision = choose_precision(settings.amp.kind, self.device.torch_device)
        self._views = settings.views

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs for a batch of scaled samples on the device."""
        with self._precision.autocast():
            return averaged_logits(self._net, x, self._views)


def in_one_process(settings: Settings) -> Settings:
    """Return settings for this process alone, with whole weights: one of several would get its share of samples."""
    return replace(settings, device=replace(settings.device, count=1, nodes=1, offload=False))


def _compute_as_in_training(net: nn.Module, learned: DataState) -> None:
    """Keep the convolutions in float32 that are so in training on a CPU, so that the outputs are the same."""
    x = torch.zeros(2, *learned.in_shape, dtype=getattr(torch, learned.dtype))
    with torch.no_grad(), single_pixel_convolutions(net) as convolutions:
        net(Standardize(learned.mean, learned.scale)(x))
    for convolution in convolutions:
        keep_in_float32(convolution)
