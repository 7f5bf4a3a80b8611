"""The checkpoints of a run: which there are, which of them are whole, and what may go."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrun.durable import remove, sha256_of
from fastrun.errors import CheckpointError

_NAME = re.compile(r"step-(\d+)\.(ckpt|json)")
_TEMPORARY = re.compile(r"\..+\.(\d+)")  # as durable.replace names them, the writer's process last


@dataclass(frozen=True)
class Saved:
    """A checkpoint and what its manifest says; without a hash where the manifest is broken."""

    path: Path
    step: int
    sha256: str
    size: int
    metrics: dict[str, float]

    def is_good(self) -> bool:
        """Say whether the file is whole: it can be read, and its size and hash are the manifest's."""
        try:
            return self.path.stat().st_size == self.size and sha256_of(self.path) == self.sha256
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the manifest, from when on the checkpoint does not count, then the file.

        Raises:
            StorageError: one of them cannot be removed.
        """
        remove(self.path.with_suffix(".json"))
        remove(self.path)


def saved_in(folder: Path) -> list[Saved]:
    """Return the checkpoints that have a manifest, the newest first."""
    found = [_read(path) for path in folder.glob("step-*.json") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda saved: -saved.step)


def _read(manifest: Path) -> Saved:
    path = manifest.with_suffix(".ckpt")
    try:
        content: dict[str, Any] = json.loads(manifest.read_bytes())
        return Saved(path, int(content["step"]), content["sha256"], content["size"], dict(content.get("metrics", {})))
    except (OSError, ValueError, LookupError, TypeError):
        return Saved(path, int(manifest.stem.removeprefix("step-")), "", -1, {})


def newest_good(folder: Path) -> tuple[Saved, list[Saved]]:
    """Return the newest whole checkpoint and the newer ones that had to be passed over.

    Raises:
        CheckpointError: there is none.
    """
    broken: list[Saved] = []
    for saved in saved_in(folder):
        if saved.is_good():
            return saved, broken
        broken.append(saved)
    if broken:
        raise CheckpointError(f"no checkpoint in {folder} is whole", "start the run again from config.yaml")
    raise CheckpointError(f"{folder.parent} has no checkpoint to go on from", "start it again: fastrun train …")


def forget_after(folder: Path, step: int) -> None:
    """Remove the checkpoints past a step, and those without a manifest or a file, which a save that died left.

    Only for who goes on from a whole checkpoint at that step: nothing that is needed goes then.

    Raises:
        StorageError: something cannot be removed.
    """
    kept = {saved.path.stem for saved in saved_in(folder) if saved.step <= step and saved.path.exists()}
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True):  # manifests first
        if _NAME.fullmatch(path.name) and path.stem not in kept:
            remove(path)
    forget_temporaries(folder)


def forget_temporaries(folder: Path) -> None:
    """Remove files that were being written when their process died; who calls has the run for itself.

    Raises:
        StorageError: something cannot be removed.
    """
    for path in folder.iterdir():
        temporary = _TEMPORARY.fullmatch(path.name)
        if temporary and int(temporary[1]) != os.getpid():
            remove(path)
