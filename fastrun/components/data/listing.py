"""Lists the files of an image folder: its splits and classes, and the images of each. Does not import torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from fastrun.components.data.class_names import unknown_classes
from fastrun.components.data.picture import printable
from fastrun.errors import DataError, nearest

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")  # of Windows; those of other systems begin with a dot
LAYOUT = "data.root must hold train/<class>/*.jpg, perhaps val/ and test/ beside it, or <class>/*.jpg"

Files = tuple[list[str], list[int]]  # paths and labels, class by class, each class in the order of its names


@dataclass(frozen=True)
class Listing:
    """The files of ``train`` and, if there are such folders, of ``val`` and ``test``.

    Attributes:
        root: the folder.
        classes: the names of the labels: the sorted names of the folders in ``train``.
        splits: the files of each split.
        skipped: the files that are left out, and why.
    """

    root: Path
    classes: list[str]
    splits: dict[str, Files]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Return the files of all splits, one split after another."""
        return list(chain.from_iterable(paths for paths, _ in self.splits.values()))

    def without(self, bad: dict[str, str]) -> Listing:
        """Return the listing without some files, which are added to the skipped ones.

        Args:
            bad: the path of each file to leave out, and why.

        Raises:
            DataError: a class would have no image left to train on.
        """
        if not bad:
            return self
        splits = {name: _without(files, bad) for name, files in self.splits.items()}
        trained = set(splits["train"][1])
        for label, name in enumerate(self.classes):
            if label not in trained:
                first = next(reason for path, reason in bad.items() if Path(path).parent.name == name)
                raise DataError(f"the class {name} has no image that can be used: {first}", "repair one, or remove it")
        return replace(self, splits=splits, skipped=self.skipped | bad)


def _without(files: Files, bad: dict[str, str]) -> Files:
    good = [(path, label) for path, label in zip(*files, strict=True) if path not in bad]
    return [path for path, _ in good], [label for _, label in good]


def list_images(root: Path, skip_bad: bool = False, learned: list[str] | None = None) -> Listing:
    """List the images below a folder.

    Args:
        root: the folder; without a folder ``train`` in it, its own folders are the classes of ``train``.
        skip_bad: leave out files whose names are not those of images, instead of failing.
        learned: the names of the classes of a run that is measured on the images; None to take those of ``train``.

    Raises:
        DataError: a split has no images, or not in folders of classes that ``train`` has too; or a file is not an
            image by its name.
    """
    folders = _split_folders(root)
    classes, skipped = _class_names(folders["train"]), dict[str, str]()
    if learned is not None:
        if unknown := [name for name in classes if name not in learned]:
            raise unknown_classes(str(folders["train"]), unknown, learned)
        classes = learned
    splits = {name: _list_split(folder, classes, skipped) for name, folder in folders.items()}
    if skipped and not skip_bad:
        raise DataError(next(iter(skipped.values())), "remove it, or leave such files out with data.skip_bad=true")
    return Listing(root, classes, splits, skipped)


def check_layout(root: Path) -> None:
    """Check the folders of splits and classes, without looking at the images in them.

    Raises:
        DataError: there are none.
    """
    _class_names(_split_folders(root)["train"])


def relative_sizes(listing: Listing) -> Iterator[tuple[str, int]]:
    """Yield the name of each file, relative to the root, and its size in bytes."""
    prefix = len(str(listing.root)) + 1
    for path in listing.paths:
        yield path[prefix:].replace(os.sep, "/"), os.stat(path).st_size  # noqa: PTH116 (faster for millions of files)


def _split_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each split; that of ``train`` may be the root."""
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder", LAYOUT)
    folders = {name: root / name for name in ("train", "val", "test") if (root / name).is_dir()} or {"train": root}
    if "train" not in folders:
        raise DataError(f"{root} has {' and '.join(folders)} but no train", LAYOUT)
    return folders


def _class_names(folder: Path) -> list[str]:
    visible = [entry for entry in _visible(folder) if entry.name.lower() not in _SYSTEM_FILES]
    for entry in visible:
        if entry.is_symlink() and not Path(entry.path).exists():
            raise DataError(f"{entry.path} is a link to nothing", "remove the link, or restore what it leads to")
    if names := [entry.name for entry in visible if entry.is_dir()]:
        return names
    has_images = any(_is_image(entry.name) for entry in visible)
    raise DataError(f"{folder} has {'images but ' if has_images else ''}no folders of classes", LAYOUT)


def _list_split(folder: Path, classes: list[str], skipped: dict[str, str]) -> Files:
    """Return the images of a split, and add the files that are not images to ``skipped``."""
    label_of = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for name in _class_names(folder):
        if name not in label_of:
            raise DataError(f"{folder / name} is a class that train does not have", nearest(name, classes) or LAYOUT)
        images = _list_class(folder / name, skipped)
        if not images:
            raise DataError(f"{folder / name} contains no images ({' '.join(IMAGE_SUFFIXES)})", LAYOUT)
        paths += images
        labels += [label_of[name]] * len(images)
    return paths, labels


def _list_class(folder: Path, skipped: dict[str, str]) -> list[str]:
    """Return the images of a class, and add the files that are not images to ``skipped``."""
    images = []
    for entry in _visible(folder):
        if _is_image(entry.name):
            images.append(entry.path)
        elif entry.is_dir():
            raise DataError(f"{entry.path} is a folder inside the folder of a class", LAYOUT)
        elif entry.name.lower() not in _SYSTEM_FILES:
            skipped[entry.path] = f"{printable(entry.path)} is not an image ({' '.join(IMAGE_SUFFIXES)})"
    return images


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return the sorted entries of a folder whose names do not begin with a dot."""
    with os.scandir(folder) as entries:  # several times as fast as pathlib, for data sets of millions of files
        return sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)
