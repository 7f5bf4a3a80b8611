"""The messages of a run: on the console, and with the time in run.log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fastrun.redaction import redact_record
from fastrun.storage.atomic import append
from fastrun.storage.run_dir import RunDir

log = logging.getLogger("fastrun")


class Screen(Console):
    """A console whose reader may close it, as ``| head`` does. The run goes on, and its log has the rest."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


class RunLog(logging.Handler):
    """Writes run.log. The file is opened for each of its few lines, so that no stream fails again after a full disk.

    A StorageError reaches whoever logs: logging's own file handler would print its traceback and go on.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record to the file.

        Raises:
            StorageError: the disk does not take it.
        """
        append(self.path, self.format(record) + "\n")


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        if not getattr(record, "file_only", False):
            self.console.print(record.getMessage(), markup=False)


@contextmanager
def logging_to(run: RunDir, console: Console) -> Iterator[None]:
    """Write the messages of a run to the console and to its log for the duration of a block."""
    handlers: list[logging.Handler] = [RunLog(run.path / "run.log"), _ConsoleHandler(console)]
    level, propagate = log.level, log.propagate
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addFilter(redact_record)
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(level)
        log.propagate = propagate


def show(rows: list[tuple[str, str]], console: Console) -> None:
    """Write the results of a run to its log, and to the console as a table."""
    for name, value in rows:
        log.debug(f"{name}: {value}")
    if not (console.is_terminal or console.is_jupyter):
        for name, value in rows:
            console.print(f"{name:<11} {value}", markup=False)
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
