"""The files of a run's checkpoints and their manifests: naming, listing, checking and removing them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastrun.storage.atomic import remove, sha256_of, storage_errors, write_atomic

STATE = "state.pt"  # in the folder of a checkpoint that is written in parts: what is not divided
_NAME = re.compile(r"step-(\d+)\.(ckpt|json)")
_PRUNED = "pruned"  # the name of a note in place of checkpoints
_TEMPORARY = re.compile(r"\..+\.(\d+)")  # as atomic.replace names them: the process that writes stands last


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return the file of the checkpoint after ``step`` optimizer steps."""
    return folder / f"step-{step:08d}.ckpt"


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint on the disk, as described by its manifest.

    Attributes:
        path: the file.
        step: optimizer steps done.
        sha256: the file's hash; empty where the manifest is broken.
        size: the file's size in bytes.
        metrics: what the validation at this step measured; empty where there was none.
        config_sha256: the hash of the run's config.yaml when it was saved.
        versions: the versions of fastrun, torch and others that wrote it.
    """

    path: Path
    step: int
    sha256: str = ""
    size: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    config_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> SavedCheckpoint:
        """Read a checkpoint's manifest. Where that is broken, or of another step, the result has no hash.

        Args:
            path: the checkpoint's file; the manifest has the same name, ending in ``.json``.
        """
        try:
            content: dict[str, Any] = json.loads(_manifest(path).read_bytes())
            step, sha256, size = int(content["step"]), str(content["sha256"]), int(content["size"])
            metrics, versions = dict(content["metrics"]), dict(content["versions"])
            if step != _step(path):
                raise ValueError(step)
            return cls(path, step, sha256, size, metrics, content["config_sha256"], versions)
        except (OSError, ValueError, LookupError, TypeError):
            return cls(path, _step(path))

    def write_manifest(self) -> None:
        """Write the manifest. A checkpoint without one does not count.

        Raises:
            StorageError: it could not be written.
        """
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        write_atomic(_manifest(self.path), json.dumps(content, indent=2))

    def is_good(self) -> bool:
        """Say whether the file is whole: it can be read, and its size and hash are the manifest's."""
        try:
            return size_on_disk(self.path) == self.size and digest(self.path) == self.sha256
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the manifest, so that the checkpoint no longer counts, then the file.

        Raises:
            StorageError: one of them cannot be removed.
        """
        remove_checkpoint(self.path)


def is_in_parts(path: Path) -> bool:
    """Say whether a path is the folder of a checkpoint that was written in parts."""
    return (path / STATE).is_file()


def size_on_disk(path: Path) -> int:
    """Return the size of a checkpoint in bytes; it is a file, or a folder of files.

    Raises:
        OSError: it cannot be read.
    """
    return sum(part.stat().st_size for part in _files(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a checkpoint's file; of a folder, that of its files' names and SHA-256.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path)
    return hashlib.sha256("".join(f"{part.name} {sha256_of(part)}\n" for part in _files(path)).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def remove_checkpoint(path: Path) -> None:
    """Remove the manifest of a checkpoint, then its file or folder.

    Raises:
        StorageError: one of them cannot be removed.
    """
    remove(_manifest(path))
    _remove(path)


def _remove(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        remove(path)
        return
    for part in _files(path):
        remove(part)
    with storage_errors(path, "remove"):
        path.rmdir()


def list_checkpoints(folder: Path) -> list[SavedCheckpoint]:
    """Return the checkpoints that have a manifest, the newest first."""
    manifests = [path for path in folder.glob("step-*.json") if _NAME.fullmatch(path.name)]
    checkpoints = [SavedCheckpoint.read(path.with_suffix(".ckpt")) for path in manifests]
    return sorted(checkpoints, key=lambda saved: -saved.step)


def mark_pruned(folder: Path) -> None:
    """Note that the checkpoints of a run were removed on purpose.

    Raises:
        StorageError: the note cannot be written.
    """
    write_atomic(folder / _PRUNED, "the checkpoints were removed by `fastrun prune`\n")


def was_pruned(folder: Path) -> bool:
    """Say whether the checkpoints of a run were removed on purpose."""
    return (folder / _PRUNED).exists()


def was_never_saved(folder: Path) -> bool:
    """Say whether no checkpoint was ever whole: the run ended before its first one was written, or while it was."""
    return not was_pruned(folder) and not any(folder.glob("step-*.json")) and len(list(folder.glob("step-*.ckpt"))) < 2


def forget_after(folder: Path, step: int) -> None:
    """Remove the checkpoints after a step, and those that lack their manifest or file, as of a save that died.

    To be called only by a run that goes on from a whole checkpoint at that step, which needs none of them.

    Raises:
        StorageError: something cannot be removed.
    """
    kept = {saved.path.stem for saved in list_checkpoints(folder) if saved.step <= step and saved.path.exists()}
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True):  # manifests first
        if _NAME.fullmatch(path.name) and path.stem not in kept:
            _remove(path)
    forget_temporaries(folder)


def forget_temporaries(folder: Path) -> None:
    """Remove the temporary files of processes that died. The caller must hold the lock of the run.

    Raises:
        StorageError: something cannot be removed.
    """
    for path in folder.iterdir():
        temporary = _TEMPORARY.fullmatch(path.name)
        if temporary and int(temporary[1]) != os.getpid():
            remove(path)


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
