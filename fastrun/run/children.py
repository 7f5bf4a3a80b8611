"""The other processes of a run as the first one sees them: what they were told, and how they ended.

A process that dies ends the run with its own error. Usually its connections break, and the first process leaves what it
waits in. Where it does not, as before all have met, or in a collective of NCCL, a thread ends it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from fastrun.errors import FastrunError, ProcessEnded

LOST = 75  # exit code of a process whose connection to another one broke, which that one is to be blamed for
_SECONDS = 15.0  # for a process whose connection broke to end, and for the first one to see that one has
TEXT = 20_000  # characters of a traceback that are kept

log = logging.getLogger("fastrun")


class Child:
    """Another process of a run.

    Args:
        order: what it is to do, which may hold secrets, so it goes by a pipe.
        rank: its number.
        environment: its environment.

    Attributes:
        rank: its number.
    """

    def __init__(self, order: Mapping[str, Any], rank: int, environment: Mapping[str, str]) -> None:
        self.rank = rank
        self._report: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        handle = self._report.fileno()
        command = [sys.executable, "-m", "fastrun.run.ddp"]
        self.process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, text=True, pass_fds=[handle]
        )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError), self.process.stdin:  # one that ended at once shows as one that ended
            json.dump({**order, "parent": os.getpid(), "report": handle}, self.process.stdin, default=str)

    def exit_code(self, seconds: float = 0.0) -> int | None:
        """Return the exit code of a process that is about to end, None of one that goes on."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=seconds)
        return None

    def report(self) -> dict[str, Any]:
        """Return what it has written down of its error; empty if it could not."""
        self._report.seek(0)
        with suppress(ValueError):
            return dict(json.loads(self._report.read()))
        return {}

    def kill(self) -> None:
        """End it, whatever it does, and also if it has been stopped."""
        self.process.kill()
        self.process.wait()
        self._report.close()


def write_report(handle: int, error: BaseException) -> None:
    """Write down the error of this process for the first one."""
    message = error.message if isinstance(error, FastrunError) else f"{type(error).__name__}: {error}"
    report = {
        "message": message,
        "hint": getattr(error, "hint", None),
        "traceback": "".join(traceback.format_exception(error))[-TEXT:],
    }
    with open(handle, "w") as file:
        json.dump(report, file)


class Children:
    """All other processes of a run.

    Args:
        children: the processes.
        hint: how to go on with the run, or None.
    """

    def __init__(self, children: list[Child], hint: str | None) -> None:
        self._children, self._hint = children, hint

    def first_error(self, seconds: float = 0.0) -> ProcessEnded | None:
        """Return the error of a process that ended with one, None where none has.

        Args:
            seconds: for a process that is about to end.
        """
        ended = [(child, child.exit_code(seconds)) for child in self._children]
        failed = [(child, code) for child, code in ended if code not in (None, 0, LOST)]
        for child, code in failed:
            assert code is not None
            return self._error_of(child, code)
        return None

    def _error_of(self, child: Child, code: int) -> ProcessEnded:
        report, who = child.report(), f"process {child.rank} (of 0 to {len(self._children)})"
        exit_code = code if code > 0 else 128 - code
        if code < 0:
            message = f"{who} was killed by {_name(-code)}, exit code {exit_code}"
        else:
            what = f": {report['message']}" if report else ""
            message = f"{who} ended with exit code {exit_code}{what}"
        error = ProcessEnded(message, report.get("hint") or self._hint, exit_code)
        if report:
            error.add_note(report["traceback"])
        return error

    def wait(self, seconds: float) -> None:
        """Wait for all of them to end, but not for ever."""
        for child in self._children:
            child.exit_code(seconds)

    def kill(self) -> None:
        """End all of them."""
        for child in self._children:
            child.kill()

    @contextmanager
    def watched(self, give_up: Callable[[ProcessEnded], None]) -> Iterator[None]:
        """Watch the processes for the duration of a block.

        Args:
            give_up: called in a thread where a process has ended with an error, and the block goes on all the same.
        """
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.5):
                error = self.first_error()
                if error is not None and not is_over.wait(_SECONDS):
                    give_up(error)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
