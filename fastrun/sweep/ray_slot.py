"""A slot on a node of Ray: an actor that keeps a process warm from which it forks one job at a time.

A job whose slot is lost, with its worker or node, is given to a new one, where it goes on from its newest checkpoint.
Nothing here imports Ray, so that Ray's worker needs nothing but fastrun.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import Any

from fastrun import redaction
from fastrun.errors import InUse
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.client import Client, ServerLost

_POLL = 0.5  # seconds


class Slot:
    """Runs jobs for a sweep of another process, one after the other.

    Args:
        folder: the current folder of that process, which this node has, too.
        path: its ``sys.path``: jobs have that, and nothing of Ray's own.
        environment: the variables of its environment that count for jobs.
        sees_gpus: whether Ray has given this slot GPUs; jobs see none of the node's otherwise.
    """

    def __init__(self, folder: str, path: list[str], environment: dict[str, str], *, sees_gpus: bool) -> None:
        self._folder, self._path = folder, path
        os.environ.update(environment if sees_gpus else environment | {"CUDA_VISIBLE_DEVICES": ""})
        self._client: Client | None = None
        self._changed = threading.Condition()
        self._pids: dict[int, int] = {}  # of the job that runs
        self._over: set[int] = set()  # jobs that have ended
        self._stops: dict[int, Signals] = {}  # signals for jobs that have not started yet

    def host(self) -> str:
        """Return the name of the node, as soon as this slot is there."""
        return socket.gethostname()

    def run(self, order: dict[str, Any]) -> int:
        """Run a job, or go on with it, and return its exit code; less than 0: the signal that ended it.

        Args:
            order: the arguments of :meth:`fastrun.sweep.client.Client.start`, and the secrets of the sweep's process.

        Raises:
            FileNotFoundError: this node does not have the folder that the sweep was started in.
        """
        number = order["job"]
        self._over.discard(number)
        try:
            return self._run(order)
        except ServerLost:
            os._exit(1)  # the job is given to another slot
        finally:
            self._stops.pop(number, None)
            with self._changed:
                self._pids.pop(number, None)
                self._over.add(number)
                self._changed.notify_all()

    def _run(self, order: dict[str, Any]) -> int:
        if not Path(self._folder).is_dir():
            raise FileNotFoundError(f"{self.host()} has no folder {self._folder}")
        os.chdir(self._folder)
        if RunDir(order["folder"]).status() == "finished":  # by a worker that was lost before it could say so
            return 0
        _await_end(order["folder"], order["grace"])
        client = self._client = self._client or Client(self._path)
        redaction.remember(order["secrets"])
        while not client.ready:
            list(client.receive(_POLL))
        client.start(**{key: value for key, value in order.items() if key != "secrets"})
        return self._exit_code(client, order["job"])

    def _exit_code(self, client: Client, number: int) -> int:
        """Wait for the end of a job, and return its exit code."""
        while True:
            for message in client.receive(_POLL):
                if "started" in message:
                    with self._changed:
                        self._pids[number] = message["pid"]
                        self._changed.notify_all()
                    if number in self._stops:
                        client.stop(number, self._stops[number])
                elif "ended" in message:
                    return int(message["code"])

    def pid(self, number: int) -> int:
        """Wait until a job has a process, and return its number on this node; 0 if the job has ended."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._pids or number in self._over)
            return self._pids.get(number, 0)

    def stop(self, number: int, signal: int) -> None:
        """Send a signal to a job, as soon as it has a process."""
        if number in self._pids and self._client is not None:
            self._client.stop(number, Signals(signal))
        else:
            self._stops[number] = Signals(signal)

    def close(self) -> None:
        """End the warm process."""
        if self._client is not None:
            self._client.close()


def _await_end(folder: Path, seconds: float) -> None:
    """Wait until a job has saved and ended whose slot is lost: it holds the lock of its run directory until then."""
    deadline = time.monotonic() + seconds
    while folder.is_dir() and time.monotonic() < deadline:
        with suppress(InUse), locked(folder):
            return
        time.sleep(0.1)
