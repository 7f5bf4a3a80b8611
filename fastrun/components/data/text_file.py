"""Reads a text file. This module imports neither torch nor polars, so that a wrong path is refused at once."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import DataError

TEXT_HINT = "data.root must be a text file"
SOURCE_HINT = "data.source must be a .parquet, .jsonl or .csv file, a folder of such files, or a name of the hub"


def check_is_file(path: Path, hint: str) -> None:
    """Check that ``data.root`` is a file.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"data.root={path} {problem}", hint)


def empty_error(root: str | Path) -> DataError:
    """Return the error for a text without a character."""
    return DataError(f"{root} is empty", f"there is nothing to predict; {TEXT_HINT}")


def read_utf8(path: Path) -> str:
    """Return the text of a UTF-8 file, without the byte order mark that some programs put at its start.

    Raises:
        DataError: the file cannot be read, or is not UTF-8; the message says from which byte on.
    """
    check_is_file(path, TEXT_HINT)
    try:
        return path.read_bytes().decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        hint = f"save it as UTF-8: iconv -f ENCODING -t UTF-8 {path}"
        raise DataError(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}", hint
        ) from error
