"""Which process it is, told so that another one can find out later whether it still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Process:
    """A process id counts on one machine, until it boots again or gives the id to another process."""

    pid: int
    host: str
    boot_id: str | None  # None where the system has none, as on macOS
    start_ticks: int | None  # when it started, in clock ticks since the boot

    @classmethod
    def this(cls) -> Self:
        """Return the one that asks."""
        return cls(os.getpid(), socket.gethostname(), _boot_id(), _stat(os.getpid())[1])

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self | None:
        """Return the one that a file tells of, its keys among others; None where the file has no process id."""
        if not isinstance(told.get("pid"), int):
            return None
        here = {"host": socket.gethostname(), "boot_id": _boot_id(), "start_ticks": None}
        return cls(**{entry.name: told.get(entry.name, here.get(entry.name)) for entry in fields(cls)})

    def is_here(self) -> bool:
        """Say whether it was started on this machine, which is where its end can be seen."""
        return self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Say whether it is known to have ended: a process of another machine never is."""
        if not self.is_here():
            return False
        if self.boot_id != _boot_id():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # somebody else's, alive
        state, started = _stat(self.pid)
        return state == "Z" or (None not in (started, self.start_ticks) and started != self.start_ticks)


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _stat(pid: int) -> tuple[str | None, int | None]:
    """Return a process's state, ``Z`` for one that nobody has waited for, and when it started (proc(5))."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return parts[0], int(parts[19])
    except (OSError, ValueError, IndexError):
        return None, None
