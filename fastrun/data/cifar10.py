"""CIFAR-10, 50,000 + 10,000 photographs of 32x32. Source: Krizhevsky 2009, from 80 million tiny images."""

from __future__ import annotations

import hashlib
import os
import pickle
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from fastrun.data.image_folder import Images, Listing, listed
from fastrun.data.split import split
from fastrun.errors import DataError

_PICKLES, _BINARIES = "cifar-10-batches-py", "cifar-10-batches-bin"
_BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
_SHAPE = torch.Size([3, 32, 32])
_BLOCK = 500  # images that a worker decodes at a time
_HINT = f"data.root must hold {_PICKLES}, {_BINARIES}, or train/<class>/*.jpg and test/<class>/*.jpg"

Pair = tuple[Tensor, Tensor]


def cifar10(root: str | None = None, val_fraction: float = 0.1, split_seed: int = 0) -> dict[str, TensorDataset]:
    """Return images as uint8 ``[n, 3, 32, 32]`` and labels 0..9; ``val`` is cut from the 50,000, ``test`` the 10,000.

    With ``val_fraction=0`` all 50,000 train, and the 10,000 are ``val`` too, as in the speedruns: what is then
    chosen by ``val``, such as the best checkpoint, is chosen by the test images.

    ``root`` holds torchvision's download, the binary version, or images in folders; without one it is downloaded.

    Raises:
        DataError: a file is missing or broken.
    """
    found = _read(Path(root).expanduser() if root is not None else _find())
    test = TensorDataset(*found["test"])
    sets = split(*found["train"], {"val": val_fraction}, split_seed) | {"test": test}
    return sets | {"val": test} if val_fraction == 0 else sets


def _read(root: Path) -> dict[str, Pair]:
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder", _HINT)
    for folder, suffix in ((root / _PICKLES, ""), (root / _BINARIES, ".bin")):
        if folder.is_dir():
            return {part: _joined(folder, [f"{name}{suffix}" for name in _BATCHES[part]]) for part in _BATCHES}
    if all((root / part).is_dir() for part in _BATCHES):
        return _folders(root)
    raise DataError(f"CIFAR-10 is not in {root}", _HINT)


def _find() -> Path:
    downloads = _home()
    if all((downloads / _PICKLES / name).is_file() for names in _BATCHES.values() for name in names):
        return downloads
    try:
        from torchvision.datasets import CIFAR10

        CIFAR10(downloads, download=True)
    except (ImportError, RuntimeError, OSError) as error:
        hint = "pip install 'fastrun[vision]' brings what downloads it" if isinstance(error, ImportError) else _HINT
        raise DataError("CIFAR-10 is not on this machine and cannot be downloaded", hint) from error
    return downloads


def _home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fastrun"


def _joined(folder: Path, names: list[str]) -> Pair:
    pixels, labels = zip(*(_batch(folder / name) for name in names), strict=True)
    return torch.cat(pixels), torch.cat(labels)


def _batch(path: Path) -> Pair:
    try:
        return _checked(*(_binary(path) if path.suffix else _pickled(path)))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", _HINT) from error
    except Exception as error:  # broken bytes make unpickling fail in any way
        raise DataError(f"{path} cannot be read: {error}", "unpack or download it again") from error


def _binary(path: Path) -> tuple[Any, Any]:
    """Read records of one byte of label, then the 1,024 bytes of each channel."""
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 1 + _SHAPE.numel())
    return records[:, 1:], records[:, 0]


def _pickled(path: Path) -> tuple[Any, Any]:
    """Read a dictionary of Python 2, whose strings are bytes: hence the encoding."""
    with path.open("rb") as file:
        found = _Arrays(file, encoding="latin1").load()
    return found["data"], found["labels"]


def _checked(pixels: Any, labels: Any) -> Pair:
    x = torch.from_numpy(np.array(pixels).reshape(-1, *_SHAPE))
    y = torch.from_numpy(np.array(labels).astype(np.int64, casting="safe"))
    if x.dtype != torch.uint8 or not 0 < len(x) == len(y) or y.min() < 0 or y.max() > 9:
        raise ValueError("it does not hold images of 32x32 with as many labels of 0 to 9")
    return x, y


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


def _folders(root: Path) -> dict[str, Pair]:
    """Decode the images of ``train`` and ``test``, or take them from the cache, which any change to a file outdates."""
    files = {part: found for part, found in listed(root).items() if part in _BATCHES}
    classes = 1 + max(files["train"][1])
    if classes != 10:
        raise DataError(f"{root / 'train'} has {classes} classes, CIFAR-10 has 10", "data=image_folder reads any")
    key = _key(root, files)
    pixels = _load(root, key)
    if pixels is None:
        pixels = {part: _decoded(*found) for part, found in files.items()}
        _save(root, key, pixels)
    return {part: (pixels[part], torch.tensor(labels)) for part, (_, labels) in files.items()}


def _decoded(paths: list[str], labels: list[int]) -> Tensor:
    images = Images(paths, labels, None)
    if images.shape != _SHAPE:
        raise DataError(f"{paths[0]} is not an image of 32x32", "data=image_folder reads any size")
    x = torch.empty(len(images), *_SHAPE, dtype=torch.uint8)
    workers = min(_cores(), len(images) // (4 * _BLOCK))
    own = torch.Generator()  # a loader draws a seed: not from the run's, or decoding would change what follows
    for place, (block, _) in enumerate(DataLoader(images, _BLOCK, num_workers=workers, generator=own)):
        x[place * _BLOCK :][: len(block)] = block
    return x


def _cores() -> int:
    """Return the cores for workers: none but on Linux, as elsewhere they first import torch, which takes longer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def _key(root: Path, files: dict[str, Listing]) -> str:
    digest = hashlib.sha256(os.fsencode(root.resolve()))
    for part, (paths, _) in files.items():
        for path in paths:
            own = "/".join([part, *path.rsplit(os.sep, 2)[1:]])
            stat = os.stat(path)  # noqa: PTH116 (60,000 times, at half the cost of a Path's)
            digest.update(os.fsencode(own) + b"\0%d\0%d\0" % (stat.st_size, stat.st_mtime_ns))
    return digest.hexdigest()


def _cache(root: Path) -> Path:
    """Return the one file of a folder, so that changed images replace the old ones."""
    return _home() / f"cifar10-{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]}.pt"


def _load(root: Path, key: str) -> dict[str, Tensor] | None:
    try:
        kept = torch.load(_cache(root), weights_only=True)
        pixels = {part: kept[part] for part in _BATCHES}
        return pixels if kept["key"] == key and kept["checksum"] == _checksum(pixels) else None
    except Exception:  # whatever is wrong with it, the images are still there
        return None


def _save(root: Path, key: str, pixels: dict[str, Tensor]) -> None:
    with suppress(OSError, RuntimeError):  # a full disk is a RuntimeError to torch
        path = _cache(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            torch.save(pixels | {"key": key, "checksum": _checksum(pixels)}, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _checksum(pixels: dict[str, Tensor]) -> int:
    checksum = 0
    for part in _BATCHES:
        checksum = zlib.crc32(pixels[part].numpy().data, checksum)
    return checksum
