"""The errors that fastrun reports to a user.

FastrunError                 exit code
|-- UsageError                       2   the command line
|-- ConfigError                      2   a recipe, option, key or value
|-- DataError                        3   a data set that is missing, empty or broken
|-- Diverged                         4   the loss or a gradient is infinite or not a number
|-- OutOfMemory                      5   the device is full
|-- CheckpointError                  6   no checkpoint, or none that can be read
|-- StorageError                     7   the output folder cannot be written
|-- InUse                            8   another process has the run directory
|-- ProcessEnded                 1/137   one of several processes of the run ended; its own exit code, 137 if killed
`-- Interrupted                130/143   SIGINT or SIGTERM; the state is saved

An exit code of 1 means that another exception was raised: a bug in fastrun or in the user's own code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fastrun.redaction import redact_message


class FastrunError(Exception):
    """An error that a user can act on.

    Args:
        message: what went wrong. Line breaks become spaces, and secrets are redacted, as in the hint.
        hint: what to do about it, or None.

    Attributes:
        exit_code: the exit code of the process that ends with the error.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = redact_message(" ".join(message.split()))
        self.hint = redact_message(" ".join(hint.split())) if hint else None
        super().__init__(self.message)

    def render(self) -> str:
        """Return the text for stderr: a line ``error: …`` and, if there is a hint, a line ``hint: …``."""
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"error: {self.message}{hint}"


class UsageError(FastrunError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigError(FastrunError):
    """A recipe, option, key or value does not exist or is not allowed."""

    exit_code = 2


class DataError(FastrunError):
    """The data set is missing, empty or broken."""

    exit_code = 3


class Diverged(FastrunError):
    """The loss or a gradient became infinite or not a number.

    Args:
        message: what went wrong.
        hint: what to do about it, or None.
        step: the optimizer step, counted from 1.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str | None = None, step: int = 0) -> None:
        super().__init__(message, hint)
        self.step = step


class OutOfMemory(FastrunError):
    """The device has no memory left.

    Args:
        message: what went wrong.
        hint: what to do about it, or None.
        eval_size: the samples of an evaluation's batch, where memory ran out in an evaluation; otherwise None.
    """

    exit_code = 5

    def __init__(self, message: str, hint: str | None = None, eval_size: int | None = None) -> None:
        super().__init__(message, hint)
        self.eval_size = eval_size


class CheckpointError(FastrunError):
    """There is no checkpoint to resume from, or none that can be read."""

    exit_code = 6


class StorageError(FastrunError):
    """The output folder cannot be written."""

    exit_code = 7


class InUse(FastrunError):
    """Another process is writing the run directory."""

    exit_code = 8


class ProcessEnded(FastrunError):
    """Another process of the run ended with an error, or was killed.

    Args:
        message: what went wrong.
        hint: what to do about it, or None.
        exit_code: the exit code of that process, 128 plus the number of the signal that killed it.
    """

    def __init__(self, message: str, hint: str | None, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


class Interrupted(FastrunError):
    """A signal asked the run to stop, and its state was saved first.

    Args:
        signal: the number of the signal.
        message: what went wrong.
        hint: what to do about it, or None.
    """

    def __init__(self, signal: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the hint ``did you mean …?`` for a misspelled word.

    Args:
        word: what the user typed.
        known: the words that would have been right.

    Returns:
        The hint with the most similar known word, or None if no word is similar.
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None
