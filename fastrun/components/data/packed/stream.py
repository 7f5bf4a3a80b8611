"""``data=stream``: trains on packed data, which may be larger than memory and disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fastrun.components.data.learned import NEW, DataState
from fastrun.components.data.packed.location import Location, locate
from fastrun.components.data.packed.manifest import PACK_HINT, Manifest, is_address
from fastrun.components.data.packed.reader import ShardReader
from fastrun.components.data.packed.samples import (
    DecodeFile,
    PackedSamples,
    decode_pixels,
    decode_row,
    decode_window,
)
from fastrun.components.data.picture import Size
from fastrun.components.task import Task
from fastrun.config.constraints import Count, Positive
from fastrun.errors import ConfigError, DataError

_SPARE = 2  # shards that stay open beside those of a window: at its end the next one begins

_DECODE = {"pixels": decode_pixels, "text": decode_window, "table": decode_row}


def stream(
    root: str | None = None,
    size: Count | tuple[Count, Count] | None = None,
    window: Count = 8,
    cache_gb: Positive | None = None,
    learned: DataState | None = None,
) -> dict[str, Any]:
    """Return the samples of a pack, which are read from its shards when they are needed.

    In an epoch the shards come in random order, and the samples of ``window`` shards that follow one another are
    shuffled together: see :class:`fastrun.components.data.packed.order.WindowOrder`.

    Args:
        root: the folder that ``fastrun data pack`` made, or the address of a copy of it: ``s3://bucket/pack``.
        size: the height and width, or one number for both, for which each encoded image is cropped at its center and
            resized when it is read; None to keep the images as they are, which then must all have one shape.
        window: the number of shards whose samples are shuffled together.
        cache_gb: the gigabytes of copies of an address's shards that may lie in the cache; None for all of them.
        learned: what a run learned from its data, whose scaling is used again.

    Raises:
        ConfigError: ``root`` is not set, the images need a ``size`` or cannot have one, or ``cache_gb`` is given for
            a folder, or a run goes on with another ``window``.
        DataError: there is no pack, a shard is missing or damaged, or the address cannot be reached.
    """
    if root is None:
        raise ConfigError("data.root is not set", PACK_HINT)
    if cache_gb is not None and not is_address(root):
        raise ConfigError(f"data.cache_gb={cache_gb:g}: {root} is a folder, which needs no copies", "leave it out")
    if learned is not None and not learned.is_new and learned.encoding.get("window") != window:
        began = learned.encoding.get("window")
        raise ConfigError(
            f"data.window={window}: the run began with {began}, which decides on the order", "leave it out"
        )
    location = locate(root, None if cache_gb is None else int(cache_gb * 1e9))
    manifest = location.manifest
    image_size = check_size(manifest, (size, size) if isinstance(size, int) else size, root)
    splits: dict[str, Any] = {name: _samples(location, name, image_size, window) for name in manifest.splits}
    if learned is not None and learned.is_new:
        splits = {NEW: splits.get("test", splits["train"])}
    return splits | {
        "classes": manifest.classes,
        "task": _task(manifest),
        "encoding": manifest.encoding | ({} if image_size is None else {"size": list(image_size)}) | {"window": window},
        "fingerprint": fingerprint(manifest),
        "about": manifest.about | {"pack": manifest.kind, "shards": len(manifest.shards)},
    }


def _task(manifest: Manifest) -> Task:
    values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in manifest.task.items()}
    return Task(**values)


def check_size(manifest: Manifest, size: Size | None, root: str) -> Size | None:
    """Return the height and width to resize images to when they are read; None to keep them.

    Raises:
        ConfigError: there is no size, and the images have different ones; or they are not encoded.
    """
    if size is not None and manifest.kind != "files":
        what = f"decoded images of {_by(manifest.shape)}" if manifest.kind == "pixels" else f"a {manifest.kind}"
        if manifest.kind != "pixels" or manifest.shape is None or manifest.shape[1:] != size:
            message = f"data.size={_by((0, *size))}: {root} holds {what}"
            again = ", or pack the images again, with another --size" if manifest.kind == "pixels" else ""
            raise ConfigError(message, f"leave data.size out{again}")
        return None
    if size is None and manifest.shape is None:
        raise ConfigError(f"the images in {root} have different sizes", "data.size=N resizes them as they are read")
    return size


def _by(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, (shape or ())[1:]))


def _samples(location: Location, split: str, size: Size | None, window: int) -> PackedSamples:
    """Return the samples of a split."""
    manifest = location.manifest
    shape = manifest.shape if size is None else (3, *size)
    assert shape is not None
    decode: Callable[..., Any] = DecodeFile(size, shape) if manifest.kind == "files" else _DECODE[manifest.kind]
    return PackedSamples(ShardReader(location, split, window + _SPARE), decode, window, _moments(manifest))


def _moments(manifest: Manifest) -> tuple[Tensor, Tensor] | None:
    """Return the mean and the standard deviation of each channel of images.

    Raises:
        DataError: the manifest has none.
    """
    if manifest.kind not in ("files", "pixels"):
        return None
    mean, deviation = (torch.tensor(values, dtype=torch.double) for values in (manifest.mean, manifest.deviation))
    if not (len(mean) == len(deviation) == 3 and mean.isfinite().all() and (deviation > 0).all()):
        raise DataError("the manifest of the pack has no mean and deviation of three channels", "pack the data again")
    return mean, deviation


def fingerprint(manifest: Manifest) -> dict[str, Any]:
    """Return what tells whether data is the data of a run: the number of samples, and a hash of all shards' hashes."""
    from hashlib import sha256

    counts = {name: manifest.samples(name) for name in manifest.splits}
    digest = sha256("\n".join(f"{shard.file} {shard.sha256}" for shard in manifest.shards).encode())
    return counts | {"sha256": digest.hexdigest()}
