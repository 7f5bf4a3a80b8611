"""SIGINT, SIGTERM and SIGUSR1, which SLURM sends before a job's time is over: one stops a run, two end the process.

A run can be saved between two steps only, so while it trains a signal is only noted (:func:`hold`). At other times
there is nothing to save, and what is under way (imports, data, a compiler) may take long, so a signal breaks it off.

The state of this module, ``_state``, belongs to the process. It cannot be an object that is handed on, for two reasons:

- Python has one handler per signal and process. The handler is called with a number and a stack frame, between any two
  instructions, and :func:`arm` installs it again after a library has replaced it. It finds its state only in a global.
- Workers that load data are forked and inherit the handlers. They share the state as a copy, and recognize by the
  process id in it that they are not the process that listens.

:func:`listening` replaces the state for its block and puts the outer one back, so no run sees a signal of another one.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from fastrun.system.process import end_with_parent

_STOP_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1


class Stopped(BaseException):
    """A signal came while nothing had to be saved. It is no Exception, which imports and trials would catch."""


@dataclass
class _State:
    """What the process knows of signals.

    Attributes:
        pid: the process that listens; 0 for none. Workers that it forks have another one.
        received: the first signal that came; 0 for none.
        is_held: signals are only noted.
        breaks_off: a signal raises :class:`Stopped` where it is not held.
    """

    pid: int = 0
    received: int = 0
    is_held: bool = True
    breaks_off: bool = False


_state = _State()


@contextmanager
def listening(breaks_off: bool = True) -> Iterator[None]:
    """Listen to signals for the time of a block. They are held at first.

    Python allows handlers in the main thread only. In another thread this changes nothing.

    Args:
        breaks_off: raise :class:`Stopped` where a signal comes while none is held. Only the first process of a run may
            do so; it would wait for the other ones.
    """
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, _state = _state, _State(os.getpid(), breaks_off=breaks_off)
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    arm()
    try:
        with _watched():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _state = outer


def arm() -> None:
    """Install the handlers, also where a library has replaced them since :func:`listening` began."""
    if _state.pid == os.getpid() and threading.current_thread() is threading.main_thread():
        for number in _STOP_SIGNALS:
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.pid:
        _handle_in_worker(number)
    elif not _state.received:
        _state.received = number
        if not _state.is_held:
            raise Stopped


def _handle_in_worker(number: int) -> None:
    """End a forked worker, but for a SIGINT, which comes from a terminal that sends it to the run as well."""
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


@contextmanager
def _watched() -> Iterator[None]:
    """Let a thread see every signal, also while the main thread waits for a device or for other processes.

    Python calls a handler only after such a wait, and a second signal has to end the wait.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    thread = threading.Thread(target=_exit_at_second, args=(read_end,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(write_end, b"\0")
        thread.join()
        os.close(read_end)
        os.close(write_end)


def _exit_at_second(read_end: int) -> None:
    """Read numbers of signals; end the process at the second one that stops it, and return at a zero, which is none."""
    count = 0
    while number := os.read(read_end, 1)[0]:
        count += number in _STOP_SIGNALS
        if count == 2:
            os._exit(130 if number == signal.SIGINT else 143)


def _close_wakeup_in_child() -> None:
    if _state.pid:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_close_wakeup_in_child)  # else the run would count the signals of its workers


def shield_worker(worker: int) -> None:
    """Let a process that loads data end at a SIGTERM of its run only, which has a step to take and save before.

    Clusters send a signal to all processes of a job, and so does a terminal.

    Args:
        worker: the worker's number. This is called in the worker, as torch's ``worker_init_fn``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    run = os.getppid()
    end_with_parent(signal.SIGKILL)  # a run that is killed leaves no worker behind
    if os.getppid() != run:
        os._exit(0)
    threading.Thread(target=_exit_at_sigterm_of, args=(run,), daemon=True).start()


def _exit_at_sigterm_of(run: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != run:
        pass
    os._exit(0)


def is_stop_requested() -> bool:
    """Say whether a signal has asked the run to stop."""
    return bool(_state.received)


def exit_signal() -> int:
    """Return the signal that determines the exit code of a stopped run: SIGINT, or SIGTERM for every other one."""
    return signal.SIGINT if _state.received == signal.SIGINT else signal.SIGTERM


def hold() -> None:
    """Only note signals from now on. The caller looks at :func:`is_stop_requested` often."""
    _state.is_held = True


def release() -> None:
    """Break off at a signal from now on.

    Raises:
        Stopped: a signal has come already.
    """
    if _state.breaks_off:
        _state.is_held = False
        if _state.received:
            raise Stopped
