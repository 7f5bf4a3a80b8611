"""A file of override lines, a job each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from fastrun.errors import ConfigError


def read(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield where each line stands, ``lines.txt:3``, and its overrides; comments and empty lines are left out.

    A line is split as a shell would: ``model.hidden="[8, 8]" seed=1  # deeper``.

    Raises:
        ConfigError: there is no such file, a quote is not closed, or no line says anything.
    """
    is_empty = True
    for where, line in _numbered_lines(path):
        try:
            overrides = shlex.split(line, comments=True)
        except ValueError as error:
            raise ConfigError(f"{where}: {str(error).lower()}", "lines are split as a shell splits them") from error
        if overrides:
            is_empty = False
            yield where, overrides
    if is_empty:
        raise ConfigError(f"{path} has no line of overrides", "write one a job: optimizer=sgd optimizer.lr=0.1")


def _numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigError(f"sweep.file={path}: {why}", "a file of override lines, one a job") from error
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{path}:{number}", line
