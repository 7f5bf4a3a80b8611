"""Writing the files of an export: all of them or none, and never over a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from fastrun.errors import StorageError, UsageError
from fastrun.storage.atomic import remove, replace, storage_errors

_HINT = "choose another folder with --out FOLDER"


def check_new(folder: Path, names: Iterable[str]) -> None:
    """Check that a folder has no files of some names; it need not exist.

    Raises:
        UsageError: it has, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", f"{_HINT}: the files are written into it")
    for name in names:
        if (folder / name).exists() or (folder / name).is_symlink():
            raise UsageError(f"{folder / name} already exists", f"{_HINT}: no file is overwritten")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made if it is not there. If one cannot be written, none is kept.

    Args:
        folder: the folder.
        files: the content of each file by its name, in the order in which they are written.

    Raises:
        UsageError: one of them exists.
        StorageError: one cannot be written.
    """
    check_new(folder, files)
    is_new = not folder.exists()
    written: list[Path] = []
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
            written.append(folder / name)
    except BaseException as error:
        with suppress(OSError, StorageError):
            for path in written:
                remove(path)
            if is_new:
                folder.rmdir()
        if isinstance(error, StorageError):
            raise StorageError(error.message, _HINT) from error
        raise


def _write(path: Path, content: bytes) -> None:
    replace(path, lambda file: file.write(content))
