"""Print the versions of fastrun and of the packages that its results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from fastrun import __version__
from fastrun.system.argument_parser import ArgumentParser

_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "torchvision")


def run(arguments: list[str]) -> int:
    """Print a version per line."""
    ArgumentParser("fastrun version", __doc__).parse_args(arguments)
    print(f"fastrun {__version__}")
    print(f"python {platform.python_version()}")
    for package in _PACKAGES:
        print(f"{package} {_version_of(package)}")
    return 0


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
