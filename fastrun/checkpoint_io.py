"""Checkpoints that survive: written beside their final place, made durable, renamed, described by a manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

import fastrun
from fastrun.errors import CheckpointError
from fastrun.rundir import fsync_folder, sha256_of, storage, write_atomic


class DurableCheckpointIO(CheckpointIO):
    """A crash or a full disk at any moment leaves the checkpoints that were there, and the new one whole or absent."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a file, then its manifest; a checkpoint counts from the moment that its manifest is there."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with storage(path):
            try:
                with temporary.open("wb") as file:
                    _write(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                manifest = _manifest(checkpoint, temporary, path.parent.parent / "config.yaml")
                temporary.replace(path)
                fsync_folder(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
        write_atomic(path.with_suffix(".json"), json.dumps(manifest, indent=2))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values; anything else in the file is refused.

        Raises:
            CheckpointError: the file is missing, damaged, or holds something that would have to be run.
        """
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and its manifest."""
        Path(path).with_suffix(".json").unlink(missing_ok=True)
        Path(path).unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    if not isinstance(found, dict) or "fastrun" not in found:
        raise CheckpointError(f"{path} is not a checkpoint of fastrun")
    return found


def _write(checkpoint: dict[str, Any], file: Any) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _manifest(checkpoint: dict[str, Any], file: Path, config: Path) -> dict[str, Any]:
    state = checkpoint.get("fastrun", {})
    return {
        "step": state.get("tally", {}).get("step", 0),
        "sha256": sha256_of(file),
        "size": file.stat().st_size,
        "metrics": state.get("measured", {}),
        "config_sha256": sha256_of(config) if config.is_file() else None,
        "versions": {"fastrun": fastrun.__version__, "torch": torch.__version__},
    }
