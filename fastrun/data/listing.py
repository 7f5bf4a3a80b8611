"""The files of an image folder: which parts and classes there are, and which image is of which."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from fastrun.data.picture import shown
from fastrun.errors import DataError, nearest

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
_LITTER = ("thumbs.db", "desktop.ini")  # that Windows leaves in folders; what other systems leave begins with a dot
LAYOUT = "data.root must hold train/<class>/*.jpg, perhaps val/ and test/ beside it, or <class>/*.jpg"

Files = tuple[list[str], list[int]]  # paths and labels, class by class, each class in the order of its names


@dataclass(frozen=True)
class Listing:
    """The files of ``train`` and, where there are such folders, of ``val`` and ``test``.

    Attributes:
        root: the folder.
        classes: the names of the labels: those of ``train``'s folders, sorted.
        parts: the files of each part.
        skipped: what is left out, and why.
    """

    root: Path
    classes: list[str]
    parts: dict[str, Files]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Return the files of all parts, one part after another."""
        return list(chain.from_iterable(paths for paths, _ in self.parts.values()))

    def without(self, bad: dict[str, str]) -> Listing:
        """Return the listing without some files, which are now among the skipped ones.

        Raises:
            DataError: a class would have nothing to train on.
        """
        if not bad:
            return self
        parts = {name: _kept(files, bad) for name, files in self.parts.items()}
        left = set(parts["train"][1])
        for label, name in enumerate(self.classes):
            if label not in left:
                first = next(why for path, why in bad.items() if Path(path).parent.name == name)
                raise DataError(f"the class {name} has no image that can be used: {first}", "repair one, or remove it")
        return replace(self, parts=parts, skipped=self.skipped | bad)


def _kept(files: Files, bad: dict[str, str]) -> Files:
    good = [(path, label) for path, label in zip(*files, strict=True) if path not in bad]
    return [path for path, _ in good], [label for _, label in good]


def listed(root: Path, skip_bad: bool = False) -> Listing:
    """Return what is below a folder; without a folder ``train`` in it, its folders are the classes of ``train``.

    Raises:
        DataError: a part has no images, not in folders of classes that ``train`` has too, or, without ``skip_bad``,
            files that by their names are no images.
    """
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder", LAYOUT)
    folders = {name: root / name for name in ("train", "val", "test") if (root / name).is_dir()} or {"train": root}
    if "train" not in folders:
        raise DataError(f"{root} has {' and '.join(folders)} but no train", LAYOUT)
    classes, skipped = _classes(folders["train"]), dict[str, str]()
    parts = {name: _files(folder, classes, skipped) for name, folder in folders.items()}
    if skipped and not skip_bad:
        raise DataError(next(iter(skipped.values())), "remove it, or leave such files out: data.skip_bad=true")
    return Listing(root, classes, parts, skipped)


def _classes(folder: Path) -> list[str]:
    visible = [entry for entry in _visible(folder) if entry.name.lower() not in _LITTER]
    for entry in visible:
        if entry.is_symlink() and not Path(entry.path).exists():
            raise DataError(f"{entry.path} is a link to nothing", "remove it, or bring back what it leads to")
    if names := [entry.name for entry in visible if entry.is_dir()]:
        return names
    has_images = any(_is_image(entry.name) for entry in visible)
    raise DataError(f"{folder} has {'images but ' if has_images else ''}no folders of classes", LAYOUT)


def _files(folder: Path, classes: list[str], skipped: dict[str, str]) -> Files:
    label_of = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for name in _classes(folder):
        if name not in label_of:
            raise DataError(f"{folder / name} is a class that train lacks", nearest(name, classes) or LAYOUT)
        found = _images(folder / name, skipped)
        if not found:
            raise DataError(f"{folder / name} holds no images ({' '.join(_SUFFIXES)})", LAYOUT)
        paths += found
        labels += [label_of[name]] * len(found)
    return paths, labels


def _images(folder: Path, skipped: dict[str, str]) -> list[str]:
    found = []
    for entry in _visible(folder):
        if _is_image(entry.name):
            found.append(entry.path)
        elif entry.is_dir():
            raise DataError(f"{entry.path} is a folder inside that of a class", LAYOUT)
        elif entry.name.lower() not in _LITTER:
            skipped[entry.path] = f"{shown(entry.path)} is no image ({' '.join(_SUFFIXES)})"
    return found


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:  # several times as fast as pathlib: sets have millions
        return sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)


def _is_image(name: str) -> bool:
    return name.lower().endswith(_SUFFIXES)
