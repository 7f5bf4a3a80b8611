"""The devices of this machine, and in words what a run used."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fastrun.errors import ConfigError
from fastrun.settings import Device


@dataclass(frozen=True)
class Place:
    """This process's device, and its number among those of the run."""

    device: torch.device
    rank: int
    world: int
    strategy: str
    why: str

    @property
    def name(self) -> str:
        """Return ``cpu`` or ``cuda``, with the number of them where there are several."""
        return self.device.type if self.world == 1 else f"{self.world} x {self.device.type}"


def place(settings: Device) -> Place:
    """Choose the device.

    Raises:
        ConfigError: a GPU was asked for and there is none, or fewer than asked for.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    use_gpu = settings.accelerator == "gpu" or (settings.accelerator == "auto" and found > 0)
    if settings.accelerator == "gpu" and not found:
        raise ConfigError("device=gpu: torch finds no GPU here", "use device=auto or device=cpu")
    if use_gpu and settings.count > found:
        raise ConfigError(f"device.count={settings.count}: there are {found} GPUs here")
    rank = int(os.environ.get("LOCAL_RANK", 0)) if settings.count > 1 else 0
    strategy = "ddp" if settings.count > 1 else "auto"
    if use_gpu:
        return Place(torch.device("cuda", rank), rank, settings.count, strategy, torch.cuda.get_device_name(rank))
    return Place(torch.device("cpu"), rank, settings.count, strategy, cpu_name())


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a GPU; None on the CPU, where data is in memory already."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def cpu_name() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe(place: Place) -> dict[str, Any]:
    """Return what summary.json says of the hardware."""
    return {
        "device": str(place.device),
        "name": place.why,
        "count": place.world,
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of what decides on a run's result."""
    packages = ("fastrun", "torch", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
