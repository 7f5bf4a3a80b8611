"""Standard input, output and error where they are closed, or lead to a disk that is full."""

from __future__ import annotations

import errno
import os
import re
import sys

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

_COLORS = {"error": "1;31", "hint": "36"}  # bold red, and cyan


def open_closed() -> None:
    """Let standard streams that are closed lead nowhere, so that no file gets their numbers and what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _lead_nowhere(number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (for the whole process)


def is_output_lost(error: OSError) -> bool:
    """Say whether standard output cannot be written, and an error may be about that.

    Args:
        error: what was raised. It names no file then, as it does not where a file of the user's own code is full; so
            an empty line is written to see.
    """
    if error.filename is not None or error.errno not in _FULL:
        return False
    try:
        os.write(1, b"\n")
    except OSError:
        return True
    return False


def drop_output() -> None:
    """Drop what is left to be written to standard output, which Python writes once more when it exits."""
    _lead_nowhere(1)


def say_error(text: str) -> None:
    """Print to standard error, if it can be written; in a terminal that has colors, the words in front are colored."""
    try:
        print(_colored(text) if _has_colors() else text, file=sys.stderr, flush=True)
    except OSError:
        _lead_nowhere(2)


def _has_colors() -> bool:
    """Say whether standard error is a terminal with colors; see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()


def _colored(text: str) -> str:
    for word, color in _COLORS.items():
        text = re.sub(f"^{word}:", f"\033[{color}m{word}:\033[0m", text, flags=re.MULTILINE)
    return text


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
