"""A list of checks and measurements that goes on whatever one of them does, within a budget of time.

Each row is passed, failed or skipped, with its reason; the files are written after every row, so that what ran before a
crash or a kill is there.
"""

from __future__ import annotations

import gc
import json
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_LINES = 12  # of a traceback that are kept


class Skip(Exception):
    """Ends a check that cannot be made here; its text says why."""


class TookTooLong(Exception):
    """Ends a check that has had its time."""


@dataclass
class Row:
    """A check or a measurement that was made.

    Attributes:
        name: what was checked.
        outcome: ``pass``, ``fail`` or ``skip``.
        detail: what was found, or the reason.
        seconds: what it took.
        values: the numbers of a measurement.
        traceback: the end of the traceback of one that failed.
    """

    name: str
    outcome: str
    detail: str
    seconds: float
    values: dict[str, Any] = field(default_factory=dict)
    traceback: str = ""


class Checklist:
    """Makes checks one after another, and writes what became of them.

    Args:
        folder: where ``gpu.json`` and ``gpu.md`` go.
        facts: what the machine is.
        seconds: the budget of all checks.
        after_each: puts the process back into its first state, as far as a check may have changed it.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], seconds: float, after_each: Callable[[], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.facts, self.rows = folder, facts, list[Row]()
        self._deadline, self._after_each = time.monotonic() + seconds, after_each

    def left(self) -> float:
        """Return the seconds that are left."""
        return self._deadline - time.monotonic()

    def run(self, name: str, check: Callable[[], str | dict[str, Any]], *, limit: float, needs: float = 5.0) -> None:
        """Make a check.

        Args:
            name: what is checked.
            check: makes it, and returns what was found, as text or as the numbers of a measurement.
            limit: the seconds after which it is broken off.
            needs: the seconds without which it is not begun.
        """
        start = time.monotonic()
        if self.left() < needs:
            self._add(Row(name, "skip", "the budget of time is used up", 0.0))
            return
        try:
            with _time_limit(min(limit, self.left())):
                found = check()
            values = found if isinstance(found, dict) else {}
            row = Row(name, "pass", str(values.get("detail", "")) if values else str(found), 0.0, values)
        except Skip as reason:
            row = Row(name, "skip", str(reason), 0.0)
        except Exception as error:
            text = (str(error).strip().splitlines() or [""])[0]
            tail = "".join(traceback.format_exc().splitlines(keepends=True)[-_LINES:])
            row = Row(name, "fail", f"{type(error).__name__}: {text}"[:300], 0.0, traceback=tail)
        row.seconds = round(time.monotonic() - start, 2)
        self._add(row)
        try:
            self._after_each()
            gc.collect()
        except Exception as error:
            self._add(Row(f"after {name}", "fail", f"{type(error).__name__}: {error}"[:300], 0.0))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(f"{row.outcome:<5} {row.seconds:7.2f} s  {row.name}: {row.detail}", flush=True)
        content = {"facts": self.facts, "rows": [asdict(one) for one in self.rows]}
        (self.folder / "gpu.json").write_text(json.dumps(content, indent=2, default=str))
        (self.folder / "gpu.md").write_text(self._markdown())

    def _markdown(self) -> str:
        facts = "".join(f"{name}: {value}  \n" for name, value in self.facts.items())
        lines = [f"| {_cell(row.name)} | {row.outcome} | {_cell(row.detail)} | {row.seconds:g} |" for row in self.rows]
        return f"{facts}\n| what | outcome | found | seconds |\n| --- | --- | --- | --- |\n" + "\n".join(lines) + "\n"

    def failed(self) -> list[str]:
        """Return the names of the checks that failed."""
        return [row.name for row in self.rows if row.outcome == "fail"]


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in the main thread after some seconds, once it is back in Python."""

    def give_up(*_: Any) -> None:
        raise TookTooLong(f"broken off after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
