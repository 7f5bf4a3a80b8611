"""Data sets of small gray images in the four idx files of MNIST. Source: LeCun, Cortes & Burges 1998.

torch is imported when the files are read, so that a wrong folder is refused at once.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastrun.config.paths import cache
from fastrun.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

_FILES = {part: (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")}


@dataclass(frozen=True)
class Idx:
    """A data set in idx files.

    Attributes:
        name: the name of the data set in messages.
        torchvision: the class of torchvision that downloads it, and the folder that this class creates.
        classes: the names of the labels.
        debian: the folder of Debian's package, if there is one.
    """

    name: str
    torchvision: str
    classes: list[str]
    debian: Path | None = None

    @property
    def hint(self) -> str:
        """Return what ``data.root`` must contain."""
        return f"data.root must hold the four idx files of {self.name}"

    def load(self, root: str | None, val_fraction: float, split_seed: int) -> dict[str, Any]:
        """Return the splits, uint8 ``[n, 1, height, width]`` and int64 ``[n]``, and the names of the classes.

        Args:
            root: the folder of the files; None for Debian's package or torchvision's download.
            val_fraction: the part of the training files to validate on.
            split_seed: the seed of that split.

        Raises:
            DataError: a file is missing or damaged.
        """
        from torch.utils.data import TensorDataset

        from fastrun.components.data.stratified_split import stratified_split

        folder = Path(root).expanduser() if root is not None else self._find_or_download()
        self.check_root(folder)
        splits = stratified_split(*self._pair(folder, "train"), {"val": val_fraction}, split_seed)
        return splits | {"test": TensorDataset(*self._pair(folder, "t10k")), "classes": self.classes}

    def check_root(self, root: Path) -> None:
        """Check that a folder has the four files, without reading them.

        Raises:
            DataError: it is not a folder, or a file is missing.
        """
        if not root.is_dir():
            raise DataError(f"data.root={root} is not a folder", self.hint)
        for path in (_path(root, name) for names in _FILES.values() for name in names):
            if not path.is_file():
                raise DataError(f"{path} is missing", self.hint)

    def _find_or_download(self) -> Path:
        downloads = cache() / self.torchvision / "raw"
        for folder in filter(None, (self.debian, downloads)):
            if all(_path(folder, name).is_file() for names in _FILES.values() for name in names):
                return folder
        try:
            from torchvision import datasets

            getattr(datasets, self.torchvision)(cache(), download=True)
        except (ImportError, RuntimeError, OSError) as error:
            package = f", or install Debian's dataset-{self.debian.name}" if self.debian else ""
            raise DataError(
                f"{self.name} is not on this machine and cannot be downloaded",
                f"set data.root to the folder of its four idx files{package}",
            ) from error
        return downloads

    def _pair(self, folder: Path, part: str) -> tuple[Tensor, Tensor]:
        images, labels = (_path(folder, name) for name in _FILES[part])
        x, y = self._read(images, 3).unsqueeze(1), self._read(labels, 1).long()
        if len(x) != len(y):
            raise DataError(f"{folder} has {len(x)} images of {part}, but {len(y)} labels", "download the files again")
        highest = len(self.classes) - 1
        if len(y) and y.max() > highest:
            raise DataError(f"{labels} has the label {y.max()}; {self.name} has 0 to {highest}", self.hint)
        return x, y

    def _read(self, path: Path, rank: int) -> Tensor:
        """Read an idx file: two zero bytes, type (8 for uint8), rank, sizes as big-endian int32, and the values."""
        import torch

        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            if raw[:4] != bytes([0, 0, 8, rank]):
                raise ValueError(f"it is not an idx file of bytes in {rank} dimensions")
            shape = np.frombuffer(raw, ">i4", rank, 4)
            return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise DataError(f"{path} cannot be read: {error}", "download it again") from error


def _path(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"
