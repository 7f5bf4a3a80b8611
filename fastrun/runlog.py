"""run.log: what a run says, with the time."""

from __future__ import annotations

import logging
from pathlib import Path

from fastrun.durable import append


class RunLog(logging.Handler):
    """Opens the file for each of its few lines, so that no stream is left to fail again once the disk has.

    A StorageError reaches whoever logs: logging's own file handler would print its traceback and go on.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line.

        Raises:
            StorageError: the disk does not take it.
        """
        append(self.path, self.format(record) + "\n")
