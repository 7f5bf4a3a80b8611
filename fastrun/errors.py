"""Everything fastrun can tell a user went wrong.

FastrunError                 exit code
|-- UsageError                       2   the command line
|-- ConfigError                      2   a recipe, option, key or value
|-- DataError                        3   a data set that is missing, empty or broken
|-- Diverged                         4   the loss or a gradient is no finite number any more
|-- OutOfMemory                      5   the device is full
|-- CheckpointError                  6   no checkpoint, or none that can be read
|-- StorageError                     7   the output folder cannot be written
|-- InUse                            8   another process has the run directory
`-- Interrupted                130/143   SIGINT or SIGTERM; the state is saved

An exit code of 1 means that none of these was raised: a bug in fastrun.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fastrun.redaction import clean


class FastrunError(Exception):
    """What went wrong in one line, a hint on what to do in another, and the exit code it ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = clean(" ".join(message.split()))
        self.hint = clean(" ".join(hint.split())) if hint else None
        super().__init__(self.message)

    def show(self) -> str:
        """Return the text for stderr: ``error: …`` and, where there is one, ``hint: …``."""
        return f"error: {self.message}" + (f"\nhint: {self.hint}" if self.hint else "")


class UsageError(FastrunError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigError(FastrunError):
    """A recipe, option, key or value does not fit."""

    exit_code = 2


class DataError(FastrunError):
    """The data set is missing, empty or broken."""

    exit_code = 3


class Diverged(FastrunError):
    """The loss or a gradient became infinite or not a number, at an optimizer step counted from 1."""

    exit_code = 4

    def __init__(self, message: str, hint: str | None = None, step: int = 0) -> None:
        super().__init__(message, hint)
        self.step = step


class OutOfMemory(FastrunError):
    """The device has no memory left."""

    exit_code = 5


class CheckpointError(FastrunError):
    """There is no checkpoint to go on from, or none that can be read."""

    exit_code = 6


class StorageError(FastrunError):
    """The output folder cannot be written."""

    exit_code = 7


class InUse(FastrunError):
    """Another process is writing the run directory."""

    exit_code = 8


class Interrupted(FastrunError):
    """A signal asked the run to stop; its state was saved first."""

    def __init__(self, signal: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean …?`` with the nearest of the known words, or None where nothing is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else None
