"""The format number of everything that fastrun writes and reads again: run directories, sweeps and checkpoints."""

from __future__ import annotations

from typing import Any

from fastrun.errors import CheckpointError

FORMAT = 2
"""To be raised with each change after which an older fastrun, or older files, could be misread."""


def check_format(number: Any, origin: str, hint: str) -> None:
    """Check the format number of a file.

    Args:
        number: the number in the file; None where there is none.
        origin: the file or directory, for the message.
        hint: what the user can do instead.

    Raises:
        CheckpointError: it is not the format that this version reads.
    """
    if isinstance(number, int) and number == FORMAT:
        return
    described = "has no format number" if number is None else f"has format {_one_line(number)}"
    raise CheckpointError(f"{origin} {described}; this version of fastrun reads format {FORMAT}", hint)


def _one_line(value: Any) -> str:
    """Return a value of any type and length, as a damaged file may have it, for a message of one line."""
    return repr(value).replace("\n", " ")[:40]
