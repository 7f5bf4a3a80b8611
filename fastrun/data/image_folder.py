"""Images in folders, one folder a class, decoded as they are asked for: the layout of ImageNet and of most own sets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastrun.data.split import parts
from fastrun.errors import ConfigError, DataError, nearest

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF")  # whatever the name says; EPS would start Ghostscript
_LAYOUT = "data.root must hold train/<class>/*.jpg, perhaps val/ and test/ beside it, or <class>/*.jpg"

Listing = tuple[list[str], list[int]]  # paths and labels


class ImageError(DataError):
    """An image that cannot be used; it keeps its line and its hint where a DataLoader's worker meets it.

    torch raises a worker's error again as ``type(error)(text)``: the text is a traceback, ending with ``str(error)``.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        told, _, told_hint = message.rpartition(f"{__name__}.ImageError: ")[2].partition("\nhint: ")
        super().__init__(told, hint or told_hint)
        self.args = (self.show().removeprefix("error: "),)


class Images(Dataset[tuple[Tensor, int]]):
    """Image files with their labels: ``(uint8 [3, height, width], label)``, all of the first one's shape.

    With ``size`` it is each image's middle square, resized to ``size`` x ``size``.
    """

    def __init__(self, paths: list[str], targets: list[int], size: int | None, shape: torch.Size | None = None) -> None:
        self.paths, self.targets, self.size = paths, targets, size
        self.shape = shape or decode(paths[0], size).shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = self.paths[index]
        image = decode(path, self.size)
        if image.shape != self.shape:
            here, first = ("x".join(map(str, shape[1:])) for shape in (image.shape, self.shape))
            raise ImageError(
                f"{path} is {here} (height x width), but the first image {first}",
                "data=image_folder with data.size=N brings all to one size",
            )
        return image, self.targets[index]


def image_folder(
    root: str | None = None, size: int | None = None, val_fraction: float = 0.1, split_seed: int = 0
) -> dict[str, Images]:
    """Return the images below ``root``, and their labels: the places of ``train``'s sorted folder names.

    Without a folder ``val``, ``val_fraction`` of each class of ``train`` becomes ``val``. Without a folder ``train``,
    the folders of ``root`` are the classes.

    Raises:
        ConfigError: ``root`` is not set, or another argument does not fit.
        DataError: there are no images, or not in one folder a class, or the first cannot be read.
    """
    if root is None:
        raise ConfigError("data.root is not set", _LAYOUT)
    if size is not None and size < 1:
        raise ConfigError(f"data.size={size} is too small", "the least is 1")
    files = listed(Path(root).expanduser())
    if "val" not in files:
        files |= _cut(*files["train"], val_fraction, split_seed)
    train = Images(*files["train"], size)
    others = {name: Images(*files[name], size, train.shape) for name in ("val", "test") if name in files}
    return {"train": train} | others


def listed(root: Path) -> dict[str, Listing]:
    """Return the files of ``train`` and, where there are such folders, of ``val`` and ``test``.

    Raises:
        DataError: a part has no images, or not in folders of classes that ``train`` has too.
    """
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder", _LAYOUT)
    folders = {name: root / name for name in ("train", "val", "test") if (root / name).is_dir()} or {"train": root}
    if "train" not in folders:
        raise DataError(f"{root} has {' and '.join(folders)} but no train", _LAYOUT)
    classes = _classes(folders["train"])
    return {name: _files(folder, classes) for name, folder in folders.items()}


def _classes(folder: Path) -> list[str]:
    if names := sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."):
        return names
    raise DataError(f"{folder} has {'images but ' if _images(folder) else ''}no folders of classes", _LAYOUT)


def _files(folder: Path, classes: list[str]) -> Listing:
    label_of = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for name in _classes(folder):
        if name not in label_of:
            raise DataError(f"{folder / name} is a class that train lacks", nearest(name, classes) or _LAYOUT)
        found = _images(folder / name)
        if not found:
            raise DataError(f"{folder / name} holds no images ({' '.join(_SUFFIXES)})", _LAYOUT)
        paths += found
        labels += [label_of[name]] * len(found)
    return paths, labels


def _images(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:  # several times as fast as pathlib: sets have millions
        return sorted(entry.path for entry in entries if _is_image(entry.name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")  # macOS leaves ._photo.jpg


def _cut(paths: list[str], labels: list[int], fraction: float, seed: int) -> dict[str, Listing]:
    chosen = parts(torch.tensor(labels), {"val": fraction}, seed)
    places = {name: indices.tolist() for name, indices in chosen.items()}
    return {name: ([paths[i] for i in own], [labels[i] for i in own]) for name, own in places.items()}


def decode(path: str, size: int | None = None) -> Tensor:
    """Return an image as uint8 ``[3, height, width]``; with ``size`` its middle square, resized to that.

    Raises:
        DataError: the file cannot be read, or Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise DataError("reading images needs Pillow, which is not here", "pip install 'fastrun[vision]'") from error
    try:
        with Image.open(path, formats=_FORMATS) as file:
            if file.mode[0] in "IF":  # Pillow would cut values at 255 without a word
                raise ImageError(f"{path} has more than 8 bits a channel", "convert it to 8 bits")
            if size is not None:  # a photograph's JPEG is 8 times as fast at a fraction of its size, and looks the same
                file.draft("RGB", (2 * size, 2 * size))
            image = file.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read: {error}", "repair or remove it") from error
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
