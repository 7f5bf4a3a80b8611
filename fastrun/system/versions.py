"""The versions of the packages that decide on a run's result."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import version

from fastrun.system.processor import describe_processor

PACKAGES = ("fastrun", "pytorch-lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python, of torch and of each of ``PACKAGES``, by name.

    Torch's version is the one that it states itself, which names the build, too (``2.14.1+cu130``): another build may
    compute other last bits. Its metadata lack that. So this imports torch.
    """
    import torch

    packages = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "torch": str(torch.__version__)} | packages


@functools.cache
def computed_by() -> dict[str, str]:
    """Return what decides on the last bits of a result: the versions of the packages, and the processor."""
    return versions() | {"processor": describe_processor()}
