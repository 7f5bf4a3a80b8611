"""What a running job measured, read off the end of its metrics.jsonl."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path


class MetricsTail:
    """Follows a metrics.jsonl that grows, and that a run that resumes writes anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file, self._read = 0, 0  # which file, and how much of it has been read
        self._step = 0.0  # of the last validation

    def new_validations(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the step and the metrics of each validation since the last call."""
        for line in self._lines():
            metrics = {key: value for key, value in line.items() if key.startswith("val/") and value is not None}
            if metrics and line["step"] > self._step:
                self._step = line["step"]
                yield int(line["step"]), metrics

    def _lines(self) -> Iterator[dict[str, float]]:
        try:
            with self.path.open("rb") as file:
                if (number := os.fstat(file.fileno()).st_ino) != self._file:
                    self._file, self._read = number, 0
                file.seek(self._read)
                complete, end, _ = file.read().rpartition(b"\n")
        except OSError:
            return
        self._read += len(complete + end)
        yield from map(json.loads, complete.splitlines())
