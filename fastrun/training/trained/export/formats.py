"""The formats of an export, and the packages that each of them needs. Does not import torch."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from fastrun.errors import ConfigError

CARD, DESCRIPTION = "README.md", "model.json"


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: as it is typed.
        file: the name of the file with the model.
        packages: those that it needs beside torch.
    """

    name: str
    file: str
    packages: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of all files that an export writes; that of the model stands last."""
        return CARD, DESCRIPTION, self.file

    def check_installed(self, what: str) -> None:
        """Check that its packages are installed, without importing them.

        Args:
            what: what was typed that needs them.

        Raises:
            ConfigError: one is not.
        """
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                message = f"{what} needs the package {package}, which is not installed"
                raise ConfigError(message, "pip install 'fastrun[export]'")


FORMATS = {
    known.name: known
    for known in (
        Format("onnx", "model.onnx", ("onnx", "onnxscript", "onnxruntime")),
        Format("torch", "model.pt2"),
        Format("safetensors", "model.safetensors", ("safetensors",)),
    )
}
