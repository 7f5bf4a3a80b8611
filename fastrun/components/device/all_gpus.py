"""The number of GPUs that ``device=auto`` takes: all of the machine's that can share a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastrun.components.device.presence import has_no_gpu
from fastrun.config.settings import Settings


def with_all_gpus(settings: Settings, overrides: Sequence[str]) -> Settings:
    """Return the settings of a run with as many processes as there are GPUs, if they leave their number open.

    Args:
        settings: the settings of the run.
        overrides: the overrides of the command line, which may name a number.
    """
    device = settings.device
    is_open = device.kind == "auto" and device.accelerator != "cpu" and device.world_size == 1
    if not is_open or has_no_gpu() or any(override.startswith("device.count=") for override in overrides):
        return settings
    import torch

    count = sharing(settings.batch.size, torch.cuda.device_count())
    return replace(settings, device=replace(device, count=count))


def sharing(batch: int, gpus: int) -> int:
    """Return the largest number of GPUs that a batch can be divided among evenly; 1 where there is no GPU.

    Args:
        batch: the samples of a batch.
        gpus: the number of GPUs.
    """
    return next((count for count in range(gpus, 1, -1) if batch % count == 0), 1)
