"""The processor that computes: another one may round otherwise."""

from __future__ import annotations

import platform

from fastrun.system import proc


def cpu_name() -> str:
    """Return the name of the CPU."""
    return proc.fields("/proc/cpuinfo").get("model name") or platform.processor() or platform.machine()


def describe_processor() -> str:
    """Return the CPU with the instructions that torch's kernels use on it, and the first GPU if there is one."""
    import torch

    cpu = f"{cpu_name()} ({torch.backends.cpu.get_cpu_capability()})"
    return f"{cpu}, {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else cpu
