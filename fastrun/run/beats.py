"""Signs of life that the processes of a run give each other: a node that is cut off closes no connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from torch.distributed import Store  # type: ignore[attr-defined]

from fastrun.system.place import Place

_PERIOD = 1.0  # seconds between two beats
_SILENCE = 30.0  # seconds without a beat after which a process is given up
_HURRIED = 5.0  # the same once a connection is known to be broken
_START = 300.0  # seconds for a process to give its first beat


class Beats:
    """Writes the beats of this process, and watches those of the others.

    The first process watches all others, and they watch the first. A store that does not answer any more counts as the
    first process, whose node serves it.

    Args:
        place: the place of this process.
        connect: returns a connection to the store, of this object alone: one that waits blocks all that share it.
        lose: called with the number of a process that gives no beat any more, and the seconds since its last.
        leave: called in a process that goes on although the first one has told that the run has ended.

    Attributes:
        silence: the seconds without a beat after which a process is given up.
    """

    def __init__(
        self, place: Place, connect: Callable[[], Store], lose: Callable[[int, float], None], leave: Callable[[], None]
    ) -> None:
        self.silence = _SILENCE
        self._rank, self._lose, self._leave = place.rank, lose, leave
        self._is_over = threading.Event()
        now = time.monotonic()
        others = range(1, place.world_size) if place.rank == 0 else [0]
        self._last = dict.fromkeys(others, (b"", now + _START - _SILENCE))
        self._answered = now + _START - _SILENCE
        store = connect()
        for work in (lambda: self._beat(store), self._watch):
            threading.Thread(target=work, daemon=True).start()

    def hurry(self) -> None:
        """Give up a process sooner: a connection is broken, so one has most likely gone."""
        self.silence = _HURRIED

    def stop(self) -> None:
        """Give no beat any more, and watch none."""
        self._is_over.set()

    def _beat(self, store: Store) -> None:
        """Write a beat and read those of the others, again and again. A store that has gone may block this forever."""
        count = 0
        with suppress(RuntimeError):  # the store has gone, which the watch sees
            while not self._is_over.wait(_PERIOD):
                count += 1
                store.set(f"beat/{self._rank}", str(count))
                now = time.monotonic()
                known = [rank for rank, (beat, _) in self._last.items() if beat or store.check([f"beat/{rank}"])]
                for rank, beat in zip(known, store.multi_get([f"beat/{rank}" for rank in known]), strict=True):
                    if beat != self._last[rank][0]:
                        self._last[rank] = beat, now
                self._answered = now
                if self._rank and store.check(["end"]):
                    if not self._is_over.wait(_HURRIED):
                        self._leave()
                    return

    def _watch(self) -> None:
        while not self._is_over.wait(_PERIOD):
            now = time.monotonic()
            if now - self._answered > self.silence:
                if self._rank:
                    self._lose(0, now - self._answered)
                continue  # what others have written is not known
            for rank, (_, seen) in self._last.items():
                if now - seen > self.silence:
                    self._lose(rank, now - seen)
