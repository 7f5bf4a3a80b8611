"""The identity of a process, in a form by which another process can find out later whether it still lives."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, Self

from fastrun.system import proc

_PR_SET_PDEATHSIG = 1
_PIDS = 1 << 31  # more than any system has


@dataclass(frozen=True)
class Process:
    """A process, identified for good.

    A process id alone identifies it on one machine only, and until that boots again or reuses the id.

    Attributes:
        pid: the process id.
        host: the name of the machine.
        boot_id: what Linux calls the time since the machine booted; None where there is none, as on macOS.
        start_ticks: when it started, in clock ticks since the boot; None where that is not known.
    """

    pid: int
    host: str
    boot_id: str | None
    start_ticks: int | None

    @classmethod
    def this(cls) -> Self:
        """Return the current process."""
        return cls(os.getpid(), socket.gethostname(), _boot_id(), proc.stat(os.getpid())[1])

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self | None:
        """Return the process that the content of a file names; None where it has no process id.

        Zero and numbers below it are none: a signal to them would reach many processes.
        """
        pid = content.get("pid")
        if type(pid) is not int or not 0 < pid < _PIDS:
            return None
        here = {"host": socket.gethostname(), "boot_id": _boot_id(), "start_ticks": None}
        return cls(**{entry.name: content.get(entry.name, here.get(entry.name)) for entry in fields(cls)})

    def is_here(self) -> bool:
        """Say whether it was started on this machine. Only there can its end be seen."""
        return self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Say whether it is known to have ended; never so for a process of another machine."""
        if not self.is_here():
            return False
        if self.boot_id != _boot_id():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it lives and belongs to another user
        state, started = proc.stat(self.pid)
        return state == "Z" or (None not in (started, self.start_ticks) and started != self.start_ticks)


def _boot_id() -> str | None:
    return proc.read("/proc/sys/kernel/random/boot_id").strip() or None


def end_with_parent(number: signal.Signals) -> None:
    """Let the system send this process a signal when its parent ends, however that ends.

    Only Linux can (prctl(2)); elsewhere nothing happens.
    """
    import ctypes  # here, because light commands need nothing else of it

    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
