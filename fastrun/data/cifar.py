"""The CIFAR sets in every form that they are handed around in. Source: Krizhevsky 2009, from 80 million tiny images."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.data.image_folder import assembled
from fastrun.data.listing import listed
from fastrun.data.picture import VISION, decode
from fastrun.data.split import split
from fastrun.data.store import store
from fastrun.errors import DataError
from fastrun.paths import cache

_SHAPE = torch.Size([3, 32, 32])

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Cifar:
    """What tells one set from the other.

    Attributes:
        name: as people write it.
        torchvision: the class that downloads it.
        pickles: the folder of the version for Python.
        binaries: the folder of the binary version; its files end in ``.bin``.
        batches: the files of each part.
        labels: their name in the pickles.
        label_bytes: before the pixels of a binary record; the last one is the label.
        classes: the names of the labels.
    """

    name: str
    torchvision: str
    pickles: str
    binaries: str
    batches: dict[str, list[str]]
    labels: str
    label_bytes: int
    classes: list[str]

    @property
    def hint(self) -> str:
        """Return what ``data.root`` must be."""
        return f"data.root must hold {self.pickles}, {self.binaries}, or train/<class>/*.jpg and test/<class>/"

    def load(self, root: str | None, val_fraction: float, split_seed: int) -> dict[str, Any]:
        """Return the parts and the names of the classes.

        Raises:
            DataError: a file is missing or broken.
        """
        found = self._read(Path(root).expanduser() if root is not None else self._find(), val_fraction, split_seed)
        return found | {"val": found["test"]} if val_fraction == 0 else found

    def _read(self, root: Path, val_fraction: float, split_seed: int) -> dict[str, Any]:
        if not root.is_dir():
            raise DataError(f"data.root={root} is not a folder", self.hint)
        for folder, suffix in ((root / self.pickles, ""), (root / self.binaries, ".bin")):
            if folder.is_dir():
                pairs = {part: self._joined(folder, suffix, part) for part in self.batches}
                sets = split(*pairs["train"], {"val": val_fraction}, split_seed)
                return sets | {"test": TensorDataset(*pairs["test"]), "classes": self.classes}
        if all((root / part).is_dir() for part in self.batches):
            return self._folders(root, val_fraction, split_seed)
        raise DataError(f"{self.name} is not in {root}", self.hint)

    def _find(self) -> Path:
        downloads = cache()
        if all((downloads / self.pickles / name).is_file() for names in self.batches.values() for name in names):
            return downloads
        try:
            from torchvision import datasets

            getattr(datasets, self.torchvision)(downloads, download=True)
        except (ImportError, RuntimeError, OSError) as error:
            hint = VISION if isinstance(error, ImportError) else self.hint
            raise DataError(f"{self.name} is not on this machine and cannot be downloaded", hint) from error
        return downloads

    def _joined(self, folder: Path, suffix: str, part: str) -> Pair:
        pixels, labels = zip(*(self._batch(folder / f"{name}{suffix}") for name in self.batches[part]), strict=True)
        return torch.cat(pixels), torch.cat(labels)

    def _batch(self, path: Path) -> Pair:
        try:
            return self._checked(*(self._binary(path) if path.suffix else self._pickled(path)))
        except FileNotFoundError as error:
            raise DataError(f"{path} is missing", self.hint) from error
        except Exception as error:  # broken bytes make unpickling fail in any way
            raise DataError(f"{path} cannot be read: {error}", "unpack or download it again") from error

    def _binary(self, path: Path) -> tuple[Any, Any]:
        """Read records of a label's bytes, then the 1,024 bytes of each channel."""
        records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, self.label_bytes + _SHAPE.numel())
        return records[:, self.label_bytes :], records[:, self.label_bytes - 1]

    def _pickled(self, path: Path) -> tuple[Any, Any]:
        """Read a dictionary of Python 2, whose strings are bytes: hence the encoding."""
        with path.open("rb") as file:
            found = _Arrays(file, encoding="latin1").load()
        return found["data"], found[self.labels]

    def _checked(self, pixels: Any, labels: Any) -> Pair:
        x = torch.from_numpy(np.array(pixels).reshape(-1, *_SHAPE))
        y = torch.from_numpy(np.array(labels).astype(np.int64, casting="safe"))
        highest = len(self.classes) - 1
        if x.dtype != torch.uint8 or not 0 < len(x) == len(y) or y.min() < 0 or y.max() > highest:
            raise ValueError(f"it does not hold images of 32x32 with as many labels of 0 to {highest}")
        return x, y

    def _folders(self, root: Path, val_fraction: float, split_seed: int) -> dict[str, Any]:
        """Read the images of ``train`` and ``test``, decoded once where there is room."""
        found = listed(root)
        found = replace(found, parts={part: found.parts[part] for part in self.batches})
        if len(found.classes) != len(self.classes):
            told = f"{root / 'train'} has {len(found.classes)} classes, {self.name} has {len(self.classes)}"
            raise DataError(told, "data=image_folder reads any")
        if decode(found.paths[0]).shape != _SHAPE:
            raise DataError(f"{found.paths[0]} is not an image of 32x32", "data=image_folder reads any size")
        return assembled(store(found, None, None, skip_bad=False), None, val_fraction, split_seed)


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # private: it has no other way in
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Arrays(pickle.Unpickler):
    """Unpickles plain values and numpy arrays; what would run anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the three things that numpy's arrays are pickled with."""
        found = _ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return found
