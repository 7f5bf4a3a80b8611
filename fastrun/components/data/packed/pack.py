"""Makes a pack of an image folder, a text or a table: shards of samples, and a manifest that is written last."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

from fastrun.components.data.packed.manifest import NAME, SPLITS, Manifest, is_incomplete, not_complete, write_manifest
from fastrun.components.data.packed.options import PackOptions, named_as_options
from fastrun.components.data.packed.shards import check_installed
from fastrun.errors import StorageError, UsageError

TABLES = (".csv", ".tsv", ".parquet", ".pq")
_OWN = {  # the options that only one kind of data takes
    "images": ("size", "skip_bad"),
    "text": ("length",),
    "table": ("target", "drop", "categories"),
}


def kind_of(source: Path, options: PackOptions) -> str:
    """Return the kind of data that a path leads to: ``images`` for a folder, ``table`` by its suffix, else ``text``.

    Raises:
        UsageError: there is nothing, or an option is for another kind of data.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist", "give an image folder, a text file, or a table")
    kind = "images" if source.is_dir() else "table" if source.suffix.lower() in TABLES else "text"
    for other, names in _OWN.items():
        for name in names:
            if other != kind and getattr(options, name) != getattr(PackOptions(), name):
                what = {"images": "a folder of images", "text": "a text", "table": "a table"}
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} is for {what[other]}, and {source} is {what[kind]}", f"leave {option} out")
    return kind


def check_out(source: Path, out: Path) -> None:
    """Check that a pack can be made in a folder, which may be missing or empty.

    Raises:
        UsageError: it has something in it, or is part of the source.
        DataError: it is a pack that was not completed.
    """
    if out.resolve() == source.resolve() or (source.is_dir() and out.resolve().is_relative_to(source.resolve())):
        raise UsageError(f"{out} is part of {source}", "pack into a folder beside it")
    if not out.is_dir():
        if out.exists():
            raise UsageError(f"{out} is a file", "give a folder that is empty, or does not exist yet")
        return
    if is_incomplete(out):
        raise not_complete(out)
    if any(out.iterdir()):
        what = "holds a pack already" if (out / NAME).exists() else "is not empty"
        raise UsageError(f"{out} {what}", "give another folder, or remove this one first: no file is overwritten")


def pack(source: Path, out: Path, options: PackOptions) -> Manifest:
    """Make a pack of data.

    The same data and options make the same shards, to the byte. The manifest is written last, so that a pack whose
    packing was ended is known as incomplete.

    Args:
        source: an image folder, a text file, or a table.
        out: the folder of the pack, which may be missing or empty.
        options: how to pack.

    Returns:
        The manifest.

    Raises:
        UsageError: there is no such source, or the folder has something in it.
        DataError: the data cannot be read.
        StorageError: the pack cannot be written.
    """
    kind = kind_of(source, options)
    check_out(source, out)
    check_installed()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out} cannot be made: {error.strerror}", "give another folder") from error
    try:
        with named_as_options():
            manifest = _packer(kind)(source, out, options)
        write_manifest(out, manifest)
    except BaseException:
        for name in SPLITS:  # nothing else was in the folder
            shutil.rmtree(out / name, ignore_errors=True)
        raise
    return manifest


def _packer(kind: str) -> Callable[[Path, Path, PackOptions], Manifest]:
    """Return the function that packs a kind of data; each imports what it needs."""
    module = importlib.import_module(f"{__package__}.pack_{kind}")
    packer: Callable[[Path, Path, PackOptions], Manifest] = getattr(module, f"pack_{kind}")
    return packer
