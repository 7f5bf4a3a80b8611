"""Links in a directory that may come from a stranger: what is written or removed through one is somewhere else."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import CheckpointError
from fastrun.storage.atomic import storage_errors


def check_no_links(*folders: Path) -> None:
    """Check that nothing that lies directly in some folders is a link; the folders themselves may be reached by one.

    Raises:
        CheckpointError: something is.
        StorageError: a folder cannot be read.
    """
    for folder in folders:
        with storage_errors(folder, "read"):
            links = [path for path in folder.iterdir() if path.is_symlink()] if folder.is_dir() else []
        for link in links:
            raise CheckpointError(
                f"{link} is a link: what goes on here would be written elsewhere", "put in its place what it points to"
            )
