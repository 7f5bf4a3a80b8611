"""Tells whether data is the data that a run was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

_MAX_ROWS, _MAX_BYTES = 1000, 1 << 26  # of a tensor that are hashed: evenly spaced rows
_HASH = "sha256"  # the key of the hash; the other entries are for a person


def file_fingerprint(path: Path) -> dict[str, Any]:
    """Return the size and the hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, _HASH: digest}


def listing_fingerprint(files: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """Return the number and the hash of files that are too many to be read.

    Args:
        files: the name of each file, relative to the data's folder, and its size in bytes.
    """
    digest, count = hashlib.sha256(), 0
    for name, size in files:
        digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
        count += 1
    return {"files": count, _HASH: digest.hexdigest()}


def samples_fingerprint(splits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of samples of each split, and a hash of some if they are in tensors.

    Samples of any other data set are not hashed: it may draw them at random.
    """
    digest, is_hashed = hashlib.sha256(), False
    for samples in splits.values():
        if isinstance(samples, TensorDataset):
            is_hashed = True
            for tensor in samples.tensors:
                digest.update(_some_bytes(tensor))
    counts = {name: len(samples) for name, samples in splits.items()}
    return counts | ({_HASH: digest.hexdigest()} if is_hashed else {})


def _some_bytes(tensor: Tensor) -> bytes:
    rows = len(tensor)
    row_bytes = max(1, tensor[0].numel() * tensor.element_size())
    count = max(1, min(rows, _MAX_ROWS, _MAX_BYTES // row_bytes))
    picked = tensor[torch.arange(count) * rows // count].detach().cpu().contiguous()
    return picked.reshape(-1).view(torch.uint8).numpy().tobytes()


def describe_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return what differs between two fingerprints, in words; None if nothing does."""
    counts = [
        f"{before.get(name, 0):,} {name}, now {now.get(name, 0):,}"
        for name in dict.fromkeys([*before, *now])
        if name != _HASH and before.get(name) != now.get(name)
    ]
    if counts:
        return "; ".join(counts)
    return "as many as before, but with other content" if before.get(_HASH) != now.get(_HASH) else None
