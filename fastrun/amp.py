"""Mixed precision: forward and loss in 16 bits where that is safe. Source: Micikevicius et al. 2018."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from fastrun.errors import ConfigError


@dataclass
class Precision:
    """What a run computes in: ``autocast()`` around forward and loss, and a scaler for fp16's small gradients."""

    name: str  # 32-true, bf16-mixed or 16-mixed
    why: str
    device_type: str
    scaler: torch.amp.GradScaler | None = None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a fresh context for one forward pass; weights cast in it are cast again after the next step."""
        if self.name == "32-true":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16-mixed" else torch.float16
        return torch.autocast(self.device_type, dtype)


def precision(kind: str, device: torch.device) -> Precision:
    """Choose the precision for ``off``, ``auto``, ``bf16`` or ``fp16`` on a device.

    ``auto`` takes what makes the device faster: bf16 on GPUs from Ampere (compute capability 8) and on CPUs with
    AVX-512 BF16 or AMX; fp16 with loss scaling on older GPUs with tensor cores (from 7.0); full precision elsewhere.

    Raises:
        ConfigError: fp16 on a CPU, or on a device without it.
    """
    if kind == "off":
        return Precision("32-true", "amp=off", device.type)
    if kind == "fp16":
        if device.type != "cuda":
            raise ConfigError("amp=fp16 needs a GPU; this run is on the CPU", "use amp=bf16 or amp=auto")
        return Precision("16-mixed", "amp=fp16", "cuda", torch.amp.GradScaler("cuda"))
    if kind == "bf16":
        return Precision("bf16-mixed", "amp=bf16", device.type)
    if device.type == "cpu":
        if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
            return Precision("bf16-mixed", "this CPU has bf16 units", "cpu")
        return Precision("32-true", "this CPU has no bf16 units", "cpu")
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        if major >= 8:
            return Precision("bf16-mixed", f"compute capability {major}.{minor} has bf16", "cuda")
        if major == 7:
            scaler = torch.amp.GradScaler("cuda")
            return Precision("16-mixed", f"compute capability {major}.{minor} has fp16 but no bf16", "cuda", scaler)
    return Precision("32-true", f"no 16-bit units are known for {device.type}", device.type)
