"""The file metrics.jsonl: one JSON object per line, appended while a run trains."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastrun.storage.atomic import append, storage_errors, write_atomic


def append_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append objects, one per line.

    Raises:
        StorageError: the file could not be written.
    """
    append(path, "".join(json.dumps({key: finite(value) for key, value in line.items()}) + "\n" for line in lines))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of the lines that are whole; an empty list if the file cannot be read."""
    try:
        return parse_lines(path.read_bytes())
    except OSError:
        return []


def parse_lines(text: bytes) -> list[dict[str, Any]]:
    """Return the objects of the lines that end, are JSON, and have a step."""
    lines: list[dict[str, Any]] = []
    for line in text.split(b"\n")[:-1]:
        with suppress(ValueError):
            content = json.loads(line)
            if isinstance(content, dict) and isinstance(content.get("step"), int):
                lines.append(content)
    return lines


def forget_after(path: Path, step: int) -> None:
    """Remove the lines after a step, and those that are not whole.

    Raises:
        StorageError: the file cannot be read or written.
    """
    with storage_errors(path, "read"):
        lines = parse_lines(path.read_bytes()) if path.exists() else []
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step))


def finite(value: Any) -> Any:
    """Return a value, and all that it holds, with None in place of infinite numbers and NaN, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
