"""Fashion-MNIST, 60,000 + 10,000 images of 28x28. Source: Xiao et al. 2017 (MIT licence)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.data.split import split
from fastrun.errors import DataError

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_DOWNLOADS = Path("~/.cache/fastrun")
_FILES = {part: (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")}


def fashion_mnist(
    root: str | None = None, val_fraction: float = 1 / 12, split_seed: int = 0
) -> dict[str, TensorDataset]:
    """Return images as uint8 ``[n, 1, 28, 28]`` and labels 0..9; ``val`` is cut from the 60,000, ``test`` the 10,000.

    The four idx files, gzipped or not, are taken from ``root``; without one from Debian's ``dataset-fashion-mnist``,
    then from torchvision's download.

    Raises:
        DataError: a file is missing or broken.
    """
    folder = Path(root).expanduser() if root is not None else _find()
    if not folder.is_dir():
        raise DataError(f"data.root={folder} is not a folder", "it must hold the four idx files of Fashion-MNIST")
    x, y = _pair(folder, "train")
    test = TensorDataset(*_pair(folder, "t10k"))
    return split(x, y, {"val": val_fraction}, split_seed) | {"test": test}


def _pair(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    x, y = (_prepare(_read(folder, name)) for name in _FILES[part])
    if len(x) != len(y):
        raise DataError(f"{folder}: {len(x)} images of {part} have {len(y)} labels")
    return x, y


def _find() -> Path:
    if _DEBIAN.is_dir():
        return _DEBIAN
    downloads = _DOWNLOADS.expanduser()
    try:
        from torchvision.datasets import FashionMNIST

        FashionMNIST(downloads, download=True)
    except (ImportError, RuntimeError, OSError) as error:
        raise DataError(
            "Fashion-MNIST is not on this machine and cannot be downloaded",
            "set data.root to the folder of its four idx files, or install Debian's dataset-fashion-mnist",
        ) from error
    return downloads / "FashionMNIST" / "raw"


def _read(folder: Path, name: str) -> Tensor:
    """Read an idx file: two zero bytes, type (8: uint8), rank, the sizes as big-endian int32, the values."""
    packed, plain = folder / f"{name}.gz", folder / name
    try:
        raw = gzip.decompress(packed.read_bytes()) if packed.is_file() else plain.read_bytes()
        shape = np.frombuffer(raw, ">i4", raw[3], 4)
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
        return torch.from_numpy(values.reshape(shape).copy())
    except FileNotFoundError as error:
        raise DataError(f"{packed} is missing", "data.root must hold the four idx files of Fashion-MNIST") from error
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{packed if packed.is_file() else plain} cannot be read: {error}") from error


def _prepare(values: Tensor) -> Tensor:
    return values.unsqueeze(1) if values.ndim == 3 else values.long()
