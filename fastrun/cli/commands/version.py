"""The versions of fastrun and of what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from fastrun import __version__
from fastrun.cli.parser import parser


def run(arguments: list[str]) -> int:
    """Print them."""
    parser("version", __doc__).parse_args(arguments)
    print(f"fastrun {__version__}")
    print(f"python {platform.python_version()}")
    for name in ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "torchvision"):
        try:
            print(f"{name} {version(name)}")
        except PackageNotFoundError:
            print(f"{name} not installed")
    return 0
