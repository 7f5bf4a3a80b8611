"""Mixed precision: the forward pass and the loss in 16 bits, where that is safe.

Source: Micikevicius et al. 2018, "Mixed precision training".
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from fastrun.components.amp.fp16 import check_fp16


@dataclass
class Precision:
    """The precision that a run computes in.

    Attributes:
        name: ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        why: why it was chosen, in words.
        device_type: the type of the device, as :func:`torch.autocast` takes it.
        scaler: scales the loss of fp16, whose small gradients would become zero; None for the others.
    """

    name: str
    why: str
    device_type: str
    scaler: torch.amp.GradScaler | None = None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a new context for one forward pass and its loss; a context keeps the weights that it has cast."""
        if self.name == "32-true":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16-mixed" else torch.float16
        return torch.autocast(self.device_type, dtype)


def choose_precision(kind: str, device: torch.device) -> Precision:
    """Choose the precision for ``off``, ``auto``, ``bf16`` or ``fp16`` on a device.

    ``auto`` chooses the fastest: bf16 on GPUs from Ampere on (compute capability 8) and on CPUs with AVX-512 BF16 or
    AMX, fp16 with loss scaling on older GPUs with tensor cores (from 7.0 on), and full precision on other devices.

    Args:
        kind: ``off``, ``auto``, ``bf16`` or ``fp16``.
        device: the device of the run.

    Raises:
        ConfigError: fp16 is chosen for a device that is not a CUDA GPU.
    """
    if kind == "off":
        return Precision("32-true", "amp=off", device.type)
    check_fp16(kind, device.type == "cuda")
    if kind == "fp16":
        return Precision("16-mixed", "amp=fp16", "cuda", torch.amp.GradScaler("cuda"))
    if kind == "bf16":
        return Precision("bf16-mixed", "amp=bf16", device.type)
    if device.type == "cpu":
        return _fastest_on_cpu()
    if device.type == "cuda":
        return _fastest_on_gpu(*torch.cuda.get_device_capability(device))
    return Precision("32-true", f"no 16-bit units are known for {device.type}", device.type)


def _fastest_on_cpu() -> Precision:
    """Return bf16 for a CPU with AVX-512 BF16 or AMX; full precision for others, or if torch is too old to tell."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return Precision("bf16-mixed", "this CPU has bf16 units", "cpu")
    return Precision("32-true", "this CPU has no bf16 units", "cpu")


def _fastest_on_gpu(major: int, minor: int) -> Precision:
    if major >= 8:
        return Precision("bf16-mixed", f"compute capability {major}.{minor} has bf16", "cuda")
    if major == 7:
        scaler = torch.amp.GradScaler("cuda")
        return Precision("16-mixed", f"compute capability {major}.{minor} has fp16 but no bf16", "cuda", scaler)
    return Precision("32-true", f"compute capability {major}.{minor} has no 16-bit units", "cuda")
