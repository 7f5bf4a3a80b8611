"""Chooses the device of a run, and describes this process among those that share the work."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

import torch

from fastrun.components.device.presence import no_gpu_error, no_offload_error
from fastrun.config.settings import DeviceConfig
from fastrun.errors import ConfigError
from fastrun.system.cores import allowed_cores
from fastrun.system.place import find_place
from fastrun.system.processor import cpu_name


@dataclass(frozen=True)
class Device:
    """The device of this process.

    Attributes:
        torch_device: the device.
        rank: the number of this process, from 0.
        world_size: the number of processes.
        local_size: the number of processes on this machine.
        strategy: how the processes work together: ``auto`` (there is one), ``ddp`` or ``fsdp``.
        model_name: the name of the processor or GPU.
    """

    torch_device: torch.device
    rank: int
    world_size: int
    local_size: int
    strategy: str
    model_name: str

    @property
    def name(self) -> str:
        """Return ``cpu`` or ``cuda``, preceded by their number if there are several: ``2 x cuda``."""
        return self.torch_device.type if self.world_size == 1 else f"{self.world_size} x {self.torch_device.type}"

    @property
    def nodes(self) -> int:
        """Return the number of machines."""
        return self.world_size // self.local_size

    @property
    def is_sharded(self) -> bool:
        """Say whether each process keeps a part of the network's weights only."""
        return self.strategy == "fsdp"

    @property
    def is_first(self) -> bool:
        """Say whether this process is the one that writes to the run directory."""
        return self.rank == 0


def choose_device(config: DeviceConfig) -> Device:
    """Choose the device of this process.

    Args:
        config: the settings of the group.

    Raises:
        ConfigError: the settings require more GPUs than there are, or one to offload from.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    use_gpu = config.accelerator == "gpu" or (config.accelerator == "auto" and gpus > 0)
    if config.accelerator == "gpu" and not gpus:
        raise no_gpu_error()
    if use_gpu and config.count > gpus:
        raise ConfigError(f"device.count={config.count} is too large", f"the number of GPUs on this machine is {gpus}")
    is_divided = config.kind == "fsdp" and (config.world_size > 1 or config.offload)
    if is_divided and config.offload and not use_gpu:
        raise no_offload_error()
    place = find_place() if config.world_size > 1 else None
    rank, local_rank = (place.rank, place.local_rank) if place else (0, 0)
    strategy = "fsdp" if is_divided else "ddp" if config.world_size > 1 else "auto"
    torch_device = torch.device("cuda", local_rank) if use_gpu else torch.device("cpu")
    model_name = torch.cuda.get_device_name(local_rank) if use_gpu else cpu_name()
    return Device(torch_device, rank, config.world_size, config.count, strategy, model_name)


def set_threads(threads: int | None, device: Device) -> None:
    """Set the number of threads that compute on the CPU; for None, a process takes its share of the cores.

    The number decides the last bits of a result, since threads add up parts of a sum.
    """
    count = threads or max(1, allowed_cores() // device.local_size)
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a GPU in bytes, or None for the CPU, where data is in memory already."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def describe_hardware(device: Device) -> dict[str, Any]:
    """Return the description of the hardware in summary.json, as plain values."""
    return {
        "device": str(device.torch_device),
        "name": device.model_name,
        "count": device.world_size,
        "nodes": device.nodes,
        "cpu": cpu_name(),
        "cores": allowed_cores(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }
