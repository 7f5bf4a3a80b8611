"""What a running run measured, read off the end of its metrics.jsonl."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastrun.storage.metrics_file import parse_lines


class MetricsTail:
    """Follows a metrics.jsonl that grows, and that a run that resumes writes anew.

    Attributes:
        path: the file, which need not exist yet.
        restarts: how often another file was found in its place, whose lines are new from the first one on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        self._file, self._read = 0, 0  # which file, and how much of it has been read
        self._step = 0.0  # of the last validation

    def new_validations(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the step and the metrics of each validation since the last call."""
        for line in self.new_lines():
            metrics = {key: value for key, value in line.items() if key.startswith("val/") and value is not None}
            if metrics and line["step"] > self._step:
                self._step = line["step"]
                yield int(line["step"]), metrics

    def new_lines(self) -> list[dict[str, Any]]:
        """Return the objects of the lines that were written since the last call and that are whole."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._file or found.st_size < self._read:
                    self.restarts += self._file != 0
                    self._file, self._read = found.st_ino, 0
                file.seek(self._read)
                complete, end, _ = file.read().rpartition(b"\n")
        except OSError:
            return []
        self._read += len(complete + end)
        return parse_lines(complete + end)
