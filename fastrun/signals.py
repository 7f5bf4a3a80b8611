"""SIGINT, SIGTERM and SIGUSR1, which SLURM sends before a job's time is over: one asks a run to stop, two end it.

Between two steps the run is where it can be saved, so a signal is only noted while it trains (:func:`hold`). At other
times there is nothing to save, and what is under way (imports, data, a compiler) may take long: it is broken off.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_ASKING = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1


class Stopped(BaseException):
    """A signal came while nothing had to be saved. No Exception, which imports and trials would pass over."""


@dataclass
class _State:
    pid: int = 0  # of the process that listens: workers that it forks are not asked
    caught: int = 0
    is_held: bool = True
    breaks_off: bool = False


_state = _State()


@contextmanager
def listening(breaks_off: bool = True) -> Iterator[None]:
    """Listen for a block; signals are held at first.

    Python lets the main thread alone listen: elsewhere nothing changes.

    Args:
        breaks_off: raise Stopped where a signal comes while none is held. The other processes of a run never do:
            the first one would wait for them.
    """
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, _state = _state, _State(os.getpid(), breaks_off=breaks_off)
    before = {number: signal.signal(number, _catch) for number in _ASKING}
    try:
        with _watched():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _state = outer


def _catch(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.pid:  # a worker that was forked: SIGINT is from a terminal, which asks the run as well
        if number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
    elif not _state.caught:
        _state.caught = number
        if not _state.is_held:
            raise Stopped


@contextmanager
def _watched() -> Iterator[None]:
    """Have a thread see every signal, also while the main thread waits for a device or for other processes.

    Python would call a handler only after such a wait, which may be what a second signal is to end.
    """
    pipe, end = os.pipe()
    os.set_blocking(end, False)
    before = signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    thread = threading.Thread(target=_count, args=(pipe,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(end, b"\0")
        thread.join()
        os.close(pipe)
        os.close(end)


def _count(pipe: int) -> None:
    """End the process at the second signal that asks it to stop; return at a zero, which is none."""
    count = 0
    while number := os.read(pipe, 1)[0]:
        count += number in _ASKING
        if count == 2:
            os._exit(130 if number == signal.SIGINT else 143)


def _unwatched() -> None:
    if _state.pid:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_unwatched)  # what a worker gets is not sent to the run


def outlive(worker: int) -> None:
    """Have a process that loads data take SIGTERM from its run only, which takes and saves a step yet.

    Clusters send a signal to all processes of a job, and so does a terminal. To be called in the worker, with its
    number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()


def _obey(run: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != run:
        pass
    os._exit(0)


def caught() -> bool:
    """Say whether a run was asked to stop."""
    return bool(_state.caught)


def number() -> int:
    """Return the signal that a run which was asked to stop ends like: SIGINT or, whatever else it was, SIGTERM."""
    return signal.SIGINT if _state.caught == signal.SIGINT else signal.SIGTERM


def hold() -> None:
    """Only note signals from now on: somebody looks at :func:`caught` often."""
    _state.is_held = True


def release() -> None:
    """Break off at a signal from now on.

    Raises:
        Stopped: one has come already.
    """
    if _state.breaks_off:
        _state.is_held = False
        if _state.caught:
            raise Stopped
