"""The manifest of a pack: all that is known about packed data without reading a shard. Does not import torch."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from fastrun.errors import DataError
from fastrun.storage.atomic import write_atomic

NAME = "pack.json"
FORMAT = 1
SPLITS = ("train", "val", "test")
PACK_HINT = "data.root must be a folder that `fastrun data pack SOURCE OUT` made, or the address of a copy of it"

Kind = Literal["files", "pixels", "text", "table"]

RESTORE = "copy it again from where the pack is whole, or pack again; `fastrun data check` finds all such files"

_LOCAL = "file://"
_INDEX = "index.json"  # of the shards of a split, which litdata writes and reads
_FILE = re.compile(r"(train|val|test)/[\w-][\w.-]*")  # whoever wrote the manifest, files lie in the pack


@dataclass(frozen=True)
class Shard:
    """A file with samples.

    Attributes:
        file: its path in the pack, ``train/chunk-0-0.bin``.
        samples: the number of samples in it.
        bytes: its size.
        sha256: the SHA-256 of its content, in hexadecimal digits.
    """

    file: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a pack contains.

    Attributes:
        kind: ``files`` for images as encoded files, ``pixels`` for decoded images, ``text``, or ``table``.
        shape: the shape of a sample; None for encoded images of different shapes.
        classes: the names of the labels, or the characters of a text; None for numbers as targets.
        task: the fields of the :class:`fastrun.components.task.Task`.
        splits: the shards of each split, in the order of their samples.
        mean: the mean of each channel of the training images; empty for other data.
        deviation: their standard deviation.
        encoding: how the samples were made; see :class:`fastrun.components.data.learned.DataState`.
        about: what else a run should record about the data.
        format: the format of the manifest.
    """

    kind: Kind
    shape: tuple[int, ...] | None
    classes: list[str] | None
    task: dict[str, Any]
    splits: dict[str, list[Shard]]
    mean: list[float] = field(default_factory=list)
    deviation: list[float] = field(default_factory=list)
    encoding: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def shards(self) -> list[Shard]:
        """Return the shards of all splits."""
        return [shard for shards in self.splits.values() for shard in shards]

    def samples(self, split: str) -> int:
        """Return the number of samples of a split."""
        return sum(shard.samples for shard in self.splits[split])

    def text(self) -> str:
        """Return the manifest as JSON."""
        counts = {name: self.samples(name) for name in self.splits}
        return json.dumps(asdict(self) | {"samples": counts}, indent=1) + "\n"

    @classmethod
    def of(cls, text: str, where: str) -> Self:
        """Return the manifest that :meth:`text` made.

        Args:
            text: the JSON.
            where: where it is from, for messages.

        Raises:
            DataError: it is none, or one of another version of fastrun.
        """
        try:
            values = json.loads(text)
            found = values.get("format")
            if found != FORMAT:
                raise DataError(f"{where} has format {found}, and this fastrun reads {FORMAT}", "pack the data again")
            values.pop("samples")
            splits = {name: [Shard(**shard) for shard in shards] for name, shards in values["splits"].items()}
            shape = None if values["shape"] is None else tuple(map(int, values["shape"]))
            manifest = cls(**{**values, "splits": splits, "shape": shape})
            manifest._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{where} is not the manifest of a pack: {error}", "pack the data again") from error
        return manifest

    def _check(self) -> None:
        """Check what everything else relies on.

        Raises:
            ValueError: it does not hold.
        """
        if self.kind not in get_args(Kind):
            raise ValueError(f"it has the kind {self.kind}")
        if not {"train", "val"} <= self.splits.keys() <= set(SPLITS):
            raise ValueError(f"it has the splits {', '.join(self.splits)}")
        for name, shards in self.splits.items():
            for shard in shards:
                if not (isinstance(shard.file, str) and _FILE.fullmatch(shard.file) and shard.file.startswith(name)):
                    raise ValueError(f"a shard of {name} is called {shard.file}")
                if min(int(shard.samples), int(shard.bytes)) < 1:
                    raise ValueError(f"{shard.file} has {shard.samples} samples and {shard.bytes} bytes")
            if not shards:
                raise ValueError(f"{name} has no shard")


def is_address(root: str) -> bool:
    """Say whether ``data.root`` is an address, such as ``s3://bucket/pack``, and not a folder of this machine."""
    return ("://" in root or root.startswith("local:")) and not root.startswith(_LOCAL)


def folder_of(root: str) -> Path:
    """Return the folder that ``data.root`` names."""
    return Path(root.removeprefix(_LOCAL)).expanduser()


def read_manifest(root: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        DataError: the folder does not exist, is no pack, or a pack that was not completed.
    """
    path = root / NAME
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder", PACK_HINT)
    if not path.is_file():
        raise not_complete(root) if is_incomplete(root) else DataError(f"data.root={root} has no {NAME}", PACK_HINT)
    return Manifest.of(path.read_text(errors="replace"), str(path))


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder, which makes it a pack: this is the last thing that packing does.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(root / NAME, manifest.text())


def is_incomplete(root: Path) -> bool:
    """Say whether packing into a folder was begun and not ended."""
    return not (root / NAME).exists() and any((root / name).is_dir() and _has_shards(root / name) for name in SPLITS)


def _has_shards(folder: Path) -> bool:
    return not any(folder.iterdir()) or any(folder.glob("chunk-*.bin"))


def not_complete(root: Path) -> DataError:
    """Return the error about a pack whose packing was ended before its time."""
    return DataError(f"{root} is not complete: packing was ended before its end", f"rm -r {root}, and pack again")


def check_sizes(root: Path, manifest: Manifest) -> None:
    """Check that each shard is there and has its size, without reading it.

    Raises:
        DataError: one is missing, or has another size.
    """
    for shard in manifest.shards:
        check_size(root / shard.file, shard)


def check_size(path: Path, shard: Shard) -> None:
    """Check that a shard is there and has its size.

    Raises:
        DataError: it is missing, or has another size.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"the shard {path} is missing: {error.strerror}", RESTORE) from error
    if size != shard.bytes:
        raise DataError(f"the shard {path} has {size:,} bytes, and had {shard.bytes:,} when it was packed", RESTORE)


def index_file(split: str) -> str:
    """Return the path of the index of a split in the pack, which litdata needs to read the shards."""
    return f"{split}/{_INDEX}"
