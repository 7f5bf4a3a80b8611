"""The client of the process that forks the jobs of a sweep."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastrun import redaction
from fastrun.errors import FastrunError

COMMAND = (sys.executable, "-P", "-m", "fastrun.sweep.server")


class ServerLost(FastrunError):
    """The server and its jobs have died."""


class Client:
    """Starts the server process, exchanges JSON lines with it, and shuts it down.

    Args:
        path: where the server looks for modules; None for ``sys.path``.
    """

    def __init__(self, path: Sequence[str] | None = None) -> None:
        self.grace = 0.0
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(entry for entry in (sys.path if path is None else path) if entry),
            "OPENBLAS_NUM_THREADS": "1",  # its threads would start with the imports, and a fork wants one thread
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking for GPUs the other way makes them unusable after a fork
        }
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        self._incomplete = b""
        self.ready = False  # it has imported all it has to

    def room(self, jobs: int | None) -> int:
        """Return how many jobs may run at a time: one, unless more are asked for."""
        return jobs or 1

    def start(
        self,
        job: int,
        folder: Path,
        settings: dict[str, Any],
        overrides: list[str],
        grace: float,
        *,
        is_alone: bool = False,
        **share: Any,
    ) -> None:
        """Request the start of a job.

        Args:
            job: its number.
            folder: its run directory.
            settings: its config.
            overrides: its overrides.
            grace: the seconds that it has to save when it is stopped.
            is_alone: whether nothing else runs beside it; whoever asks sees to that.
            **share: its share of the machine.
        """
        self.grace = grace
        order = {
            "start": job,
            "folder": str(folder.absolute()),
            "settings": settings,
            "overrides": overrides,
            "grace": grace,
        }
        self._send(order | {"secrets": redaction.known_secrets()} | share)

    def stop(self, job: int, number: signal.Signals) -> None:
        """Request that a signal is sent to a job."""
        self._send({"stop": job, "signal": int(number)})

    def receive(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the messages of the server, and wait for them for a limited time.

        Raises:
            ServerLost: it is gone.
        """
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        if not select.select([handle], [], [], seconds)[0]:
            return
        read = os.read(handle, 1 << 16)
        if not read:
            raise ServerLost("the server of the sweep is gone", "out of memory? try fewer sweep.jobs")
        *lines, self._incomplete = (self._incomplete + read).split(b"\n")
        for message in map(json.loads, lines):
            self.ready = self.ready or "ready" in message
            yield message

    def close(self) -> None:
        """Shut down the server and its jobs, which save a checkpoint first."""
        if not self.ready:
            self.process.kill()  # it has none, and would import to its end before it listens
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace + 5)
        self.process.kill()
        self.process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # receive() raises
            self.process.stdin.write(json.dumps(message, default=str).encode() + b"\n")
            self.process.stdin.flush()
