"""Reads the CIFAR data sets in each of their formats. Source: Krizhevsky 2009, from the 80 million tiny images.

torch is imported when the files are read, so that a wrong folder is refused at once.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastrun.components.data.listing import list_images
from fastrun.components.data.picture import INSTALL_VISION, decode
from fastrun.config.paths import cache
from fastrun.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

_SHAPE = (3, 32, 32)
_VALUES = 3 * 32 * 32


@dataclass(frozen=True)
class Cifar:
    """A CIFAR data set.

    Attributes:
        name: the name of the data set in messages.
        torchvision: the class of torchvision that downloads it.
        pickles: the folder of the version for Python.
        binaries: the folder of the binary version, whose files end in ``.bin``.
        batches: the files of each split.
        labels: the key of the labels in the pickles.
        label_bytes: the number of bytes before the pixels of a binary record, the last of which is the label.
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
        """Return what ``data.root`` must contain."""
        return f"data.root must hold {self.pickles}, {self.binaries}, or train/<class>/*.jpg and test/<class>/"

    def load(self, root: str | None, val_fraction: float, split_seed: int) -> dict[str, Any]:
        """Return the splits and the names of the classes.

        Args:
            root: the folder of the files; None for torchvision's download.
            val_fraction: the part of the training images to validate on; 0 to validate on the test images.
            split_seed: the seed of that split.

        Raises:
            DataError: a file is missing or damaged.
        """
        folder = Path(root).expanduser() if root is not None else self._find_or_download()
        splits = self._read(folder, val_fraction, split_seed)
        return splits | {"val": splits["test"]} if val_fraction == 0 else splits

    def check_root(self, root: Path) -> None:
        """Check that a folder has one of the formats, without reading it.

        Raises:
            DataError: it is not a folder, or has none of them.
        """
        if not root.is_dir():
            raise DataError(f"data.root={root} is not a folder", self.hint)
        packed = (root / self.pickles).is_dir() or (root / self.binaries).is_dir()
        if not packed and not all((root / name).is_dir() for name in self.batches):
            raise DataError(f"{self.name} is not in {root}", self.hint)

    def _read(self, root: Path, val_fraction: float, split_seed: int) -> dict[str, Any]:
        from torch.utils.data import TensorDataset

        from fastrun.components.data.stratified_split import stratified_split

        self.check_root(root)
        for folder, suffix in ((root / self.pickles, ""), (root / self.binaries, ".bin")):
            if folder.is_dir():
                pairs = {name: self._read_batches(folder, suffix, name) for name in self.batches}
                splits = stratified_split(*pairs["train"], {"val": val_fraction}, split_seed)
                return splits | {"test": TensorDataset(*pairs["test"]), "classes": self.classes}
        return self._read_folders(root, val_fraction, split_seed)

    def _find_or_download(self) -> Path:
        downloads = cache()
        if all((downloads / self.pickles / name).is_file() for names in self.batches.values() for name in names):
            return downloads
        try:
            from torchvision import datasets

            getattr(datasets, self.torchvision)(downloads, download=True)
        except (ImportError, RuntimeError, OSError) as error:
            hint = INSTALL_VISION if isinstance(error, ImportError) else self.hint
            raise DataError(f"{self.name} is not on this machine and cannot be downloaded", hint) from error
        return downloads

    def _read_batches(self, folder: Path, suffix: str, split: str) -> tuple[Tensor, Tensor]:
        import torch

        batches = [self._read_batch(folder / f"{name}{suffix}") for name in self.batches[split]]
        pixels, labels = zip(*batches, strict=True)
        return torch.cat(pixels), torch.cat(labels)

    def _read_batch(self, path: Path) -> tuple[Tensor, Tensor]:
        try:
            pixels, labels = self._read_binary(path) if path.suffix else self._read_pickle(path)
            return self._check_batch(pixels, labels)
        except FileNotFoundError as error:
            raise DataError(f"{path} is missing", self.hint) from error
        except Exception as error:  # damaged bytes make unpickling fail in any way
            raise DataError(f"{path} cannot be read: {error}", "unpack or download it again") from error

    def _read_binary(self, path: Path) -> tuple[Any, Any]:
        """Read records of the bytes of the label, followed by the 1,024 bytes of each channel."""
        records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, self.label_bytes + _VALUES)
        return records[:, self.label_bytes :], records[:, self.label_bytes - 1]

    def _read_pickle(self, path: Path) -> tuple[Any, Any]:
        """Read a dictionary that Python 2 pickled, whose strings are bytes and therefore need an encoding."""
        with path.open("rb") as file:
            content = _ArrayUnpickler(file, encoding="latin1").load()
        return content["data"], content[self.labels]

    def _check_batch(self, pixels: Any, labels: Any) -> tuple[Tensor, Tensor]:
        import torch

        x = torch.from_numpy(np.array(pixels).reshape(-1, *_SHAPE))
        y = torch.from_numpy(np.array(labels).astype(np.int64, casting="safe"))
        highest = len(self.classes) - 1
        if x.dtype != torch.uint8 or not 0 < len(x) == len(y) or y.min() < 0 or y.max() > highest:
            raise ValueError(f"it does not contain images of 32x32, each with a label of 0 to {highest}")
        return x, y

    def _read_folders(self, root: Path, val_fraction: float, split_seed: int) -> dict[str, Any]:
        """Read the images in the folders ``train`` and ``test``, which are decoded once if there is room."""
        from fastrun.components.data.image_folder import build_splits
        from fastrun.components.data.store import open_store

        listing = list_images(root)
        listing = replace(listing, splits={name: listing.splits[name] for name in self.batches})
        if len(listing.classes) != len(self.classes):
            raise DataError(
                f"{root / 'train'} has {len(listing.classes)} classes, but {self.name} has {len(self.classes)}",
                "data=image_folder reads any classes",
            )
        if decode(listing.paths[0]).shape != _SHAPE:
            raise DataError(f"{listing.paths[0]} is not an image of 32x32", "data=image_folder reads any size")
        store = open_store(listing, size=None, use_cache=None, skip_bad=False)
        return build_splits(store, None, {"val": val_fraction}, split_seed)


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[
        0
    ],  # a private function, which numpy exposes in no other way
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles plain values and numpy arrays, and refuses everything that would run other code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the three objects that pickles of numpy arrays refer to."""
        allowed = _ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if allowed is None:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no array needs")
        return allowed
