"""Compares every shard of a pack with its SHA-256."""

from __future__ import annotations

from pathlib import Path

from fastrun.components.data.packed.manifest import Manifest, index_file, read_manifest
from fastrun.components.data.progress import show_progress
from fastrun.storage.atomic import sha256_of


def find_damage(root: Path) -> tuple[Manifest, list[str]]:
    """Read all shards of a pack.

    Args:
        root: its folder.

    Returns:
        The manifest, and a line about each file that is missing or not what was packed.

    Raises:
        DataError: the folder is not a pack, or not a complete one.
    """
    manifest = read_manifest(root)
    indices = map(index_file, manifest.splits)
    damage = [f"{index} is missing" for index in indices if not (root / index).is_file()]
    with show_progress("reading shards", len(manifest.shards)) as on_progress:
        for shard in manifest.shards:
            try:
                if sha256_of(root / shard.file) != shard.sha256:
                    damage.append(f"{shard.file} is not what was packed")
            except OSError as error:
                damage.append(f"{shard.file} cannot be read: {error.strerror}")
            on_progress(1)
    return manifest, damage
