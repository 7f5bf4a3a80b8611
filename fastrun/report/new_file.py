"""Writing a file that the user named, which is never overwritten."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import StorageError, UsageError


def check_new(path: Path) -> None:
    """Check that there is no such file.

    Raises:
        UsageError: there is one.
    """
    if path.exists():
        raise UsageError(f"{path} already exists", "choose another file: no file is overwritten")


def write_new(path: Path, content: bytes | memoryview) -> None:
    """Write a file that does not exist yet.

    Args:
        path: the file.
        content: all of it, made before the file is created, so that an error leaves no incomplete file.

    Raises:
        UsageError: the file exists.
        StorageError: the file cannot be written.
    """
    check_new(path)
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", "choose another file") from error
