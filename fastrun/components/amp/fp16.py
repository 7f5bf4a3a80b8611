"""What fp16 needs, which can be checked without torch."""

from __future__ import annotations

from fastrun.errors import ConfigError


def check_fp16(kind: str, is_on_gpu: bool) -> None:
    """Check that the device of a run can compute in fp16.

    Args:
        kind: the chosen precision.
        is_on_gpu: whether the run is on a CUDA GPU, or may be.

    Raises:
        ConfigError: fp16 is chosen for another device.
    """
    if kind == "fp16" and not is_on_gpu:
        raise ConfigError("amp=fp16 needs a GPU; this run is on the CPU", "use amp=bf16 or amp=auto")
