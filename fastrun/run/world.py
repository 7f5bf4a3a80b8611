"""What the processes of a run that a launcher started tell each other, beside what they compute together.

They write and read a key-value store of torch.distributed, which torchrun serves, or else the first process.
"""

from __future__ import annotations

import functools
import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from fastrun.errors import CheckpointError, ConfigError, DataError, FastrunError, ProcessEnded
from fastrun.run.beats import Beats
from fastrun.run.children import TEXT
from fastrun.system.connection import Group
from fastrun.system.place import Place

_CONNECT = 300.0  # seconds for the first process to start
_PAUSE = 0.05  # seconds between two looks at a message
_HEARD = 5.0  # seconds for the others to read that the run has ended
_REFUSALS = {error.exit_code: error for error in (ConfigError, DataError, CheckpointError)}  # before the first step
_GONE = 137  # exit code for a process that is not heard of any more


class World:
    """The processes of a run.

    Args:
        place: the place of this one.
        number: how many runs these processes have trained before.

    Attributes:
        place: the place of this one.
        attempt: the number of the attempt at training that is under way, from 1; 0 before the first.
        requested: the settings that were asked for, by their dotted keys; None for a run that goes on.
        has_ended: whether the run has ended.

    Raises:
        ConfigError: the first process cannot be reached, or its port is in use.
    """

    def __init__(self, place: Place, number: int = 0) -> None:
        self.place, self.attempt = place, 0
        self.requested: dict[str, Any] | None = None
        self._store = _connect(place, number)
        self._group: Group | None = None
        self._lost: ProcessEnded | None = None
        self.has_ended = False
        self._beats = Beats(place, lambda: _connect(place, number), self._lose, self._break_off)

    def tell(self, key: str, **content: Any) -> None:
        """Write a message for the other processes."""
        self._store.set(key, json.dumps(content, default=str))

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a message if it has been written."""
        return dict(json.loads(self._store.get(key))) if self._store.check([key]) else None

    def ask(self, *keys: str) -> tuple[str, dict[str, Any]]:
        """Wait until one of several messages is written, and return its key and the message.

        Raises:
            FastrunError: another process has ended with an error, or cannot be reached.
        """
        try:
            while True:
                self.check()
                for key in keys:
                    if (content := self.read(key)) is not None:
                        return key, content
                time.sleep(_PAUSE)
        except RuntimeError as error:  # nobody serves the store any more
            who = "process 0" if self.place.rank or not self.place.has_store else self.place.launcher
            raise ProcessEnded(f"{who} has ended or cannot be reached", None, _GONE) from error

    def check(self) -> None:
        """Raise the error of another process, if there is one.

        Raises:
            FastrunError: it has ended with an error, or cannot be reached.
        """
        if self._lost is not None and self.place.rank:
            raise self._lost  # the store may have gone as well, and would be waited for
        if self.place.rank == 0 and (report := self.read(f"error/{self.attempt}")):
            raise _error_of(report)
        if self._lost is not None:
            raise self._lost

    def report(self, error: BaseException) -> None:
        """Tell the first process of an error of this one. The first report of an attempt is the one that counts."""
        if self._store.add(f"errors/{self.attempt}", 1) > 1:
            return
        ours = error if isinstance(error, FastrunError) else None
        self.tell(
            f"error/{self.attempt}",
            rank=self.place.rank,
            host=socket.gethostname(),
            message=ours.message if ours else f"{type(error).__name__}: {error}",
            hint=ours.hint if ours else None,
            exit_code=ours.exit_code if ours else 1,
            traceback="".join(traceback.format_exception(error))[-TEXT:],
        )

    def why_broken(self) -> FastrunError | None:
        """Return the error of the process whose connection broke; None if it cannot be told."""
        self._beats.hurry()
        deadline = time.monotonic() + self._beats.silence + 2
        while time.monotonic() < deadline:
            try:
                self.check()
            except FastrunError as error:
                return error
            except RuntimeError:  # the store has gone, and with it the first process or torchrun
                return None
            time.sleep(_PAUSE)
        return None

    def join(self, backend: str) -> None:
        """Meet all other processes in a process group of torch.distributed."""
        store = PrefixStore(f"group/{self.attempt}", self._store)
        self._group = Group(backend, store, self.place)

    def leave(self) -> None:
        """Leave the process group."""
        group, self._group = self._group, None
        if group is not None:
            group.leave()

    def note_run(self, run: Path) -> None:
        """Note the directory of the run where the processes find it that torchrun starts after one of them ended."""
        self._store.underlying_store.set("run", str(run.absolute()))

    def noted_run(self) -> str | None:
        """Return the directory of the run that processes before these have begun; None if there is none."""
        store = self._store.underlying_store
        return store.get("run").decode() if store.check(["run"]) else None

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell the other processes at the end of a block that the run has ended."""
        code = 0
        try:
            yield
        except BaseException as error:
            code = getattr(error, "exit_code", 1)
            raise
        finally:
            self._end(code)

    def _end(self, code: int) -> None:
        """Tell all other processes that the run has ended, and let those read it whose store ends with this one."""
        if self.has_ended:
            return
        self.has_ended = True
        teller = threading.Thread(target=self._tell_end, args=(code,), daemon=True)
        teller.start()
        teller.join(_HEARD)  # a store whose node is cut off does not answer
        self._beats.stop()

    def _tell_end(self, code: int) -> None:
        with suppress(RuntimeError):  # nobody may be left to be told
            self.tell("end", exit_code=code)
            while not self.place.has_store and self._store.add("heard", 0) < self.place.world_size - 1:
                time.sleep(_PAUSE)

    def heard(self) -> None:
        """Tell the first process that this one has read that the run has ended."""
        self.has_ended = True
        with suppress(RuntimeError):
            self._store.add("heard", 1)
        self._beats.stop()

    def _lose(self, rank: int, seconds: float) -> None:
        """Give up another process: end what this one waits in for it."""
        message = f"process {rank} has ended or cannot be reached: nothing was heard of it for {seconds:.0f} s"
        self._lost = self._lost or ProcessEnded(message, None, _GONE)
        self._break_off()

    def _break_off(self) -> None:
        if self._group is not None:
            self._group.break_off()


_worlds: dict[Place, list[World]] = {}  # of this process, which trains one run after the other


def world_at(place: Place) -> World:
    """Return the processes of the run that this one belongs to now. They are connected once for a run."""
    worlds = _worlds.setdefault(place, [])
    if not worlds or worlds[-1].has_ended:
        worlds.append(World(place, len(worlds)))
    return worlds[-1]


def _connect(place: Place, number: int) -> PrefixStore:
    where = f"{place.address}:{place.port}"
    serves = place.rank == 0 and not place.has_store
    try:
        if serves:
            _serve(place)
        store = _store(place, serves=False)
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        if serves:
            raise ConfigError(f"{where} cannot be served: {reason}", "set MASTER_PORT to a free port") from error
        message = f"process {place.rank} cannot reach the first one at {where}: {reason}"
        raise ConfigError(message, "MASTER_ADDR and MASTER_PORT say where it is") from error
    return PrefixStore(f"fastrun/{place.restart}/{number}", store)


@functools.cache
def _serve(place: Place) -> TCPStore:
    """Serve the store for as long as this process lives."""
    return _store(place, serves=True)


def _store(place: Place, *, serves: bool) -> TCPStore:
    how: dict[str, Any] = {"wait_for_workers": False, "timeout": timedelta(seconds=_CONNECT)}
    return TCPStore(place.address, place.port, None, serves, **how)


def _error_of(report: dict[str, Any]) -> FastrunError:
    who, code = f"process {report['rank']} on {report['host']}", report["exit_code"]
    error: FastrunError
    if refusal := _REFUSALS.get(code):
        error = refusal(f"{who}: {report['message']}", report["hint"])
    else:
        error = ProcessEnded(f"{who} ended with exit code {code}: {report['message']}", report["hint"], code)
    error.add_note(report["traceback"])
    return error
