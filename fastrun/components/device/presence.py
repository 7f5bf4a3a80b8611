"""Whether this machine has a GPU at all, without torch, which takes seconds to import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fastrun.config.settings import DeviceConfig
from fastrun.errors import ConfigError

_NODES = "nvidia*", "nvgpu*", "nvhost*", "nvmap", "kfd", "dxg"  # of NVIDIA, its boards, AMD, and Windows' subsystem


def has_no_gpu() -> bool:
    """Say whether it is certain that torch will find no GPU; False where only torch can tell."""
    if sys.platform != "linux":
        return False
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return True
    return not any(path for node in _NODES for path in Path("/dev").glob(node))


def check_early(config: DeviceConfig) -> None:
    """Check the device of a run as far as that is possible without torch.

    Raises:
        ConfigError: the run needs a GPU, and there is none.
    """
    if config.accelerator == "gpu" and has_no_gpu():
        raise no_gpu_error()
    if config.kind == "fsdp" and config.offload and (config.accelerator == "cpu" or has_no_gpu()):
        raise no_offload_error()


def no_offload_error() -> ConfigError:
    """Return the error for a run that is to keep weights off the GPU, and has none."""
    message = "device.offload=true keeps weights off the GPU between uses, and this run has none"
    return ConfigError(message, "device.offload=false")


def no_gpu_error() -> ConfigError:
    """Return the error for a run that needs a GPU where there is none."""
    return ConfigError("device=gpu: torch finds no GPU on this machine", "use device=auto or device=cpu")
