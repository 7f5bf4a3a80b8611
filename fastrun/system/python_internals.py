"""What fastrun uses of Python's standard library that is not documented, each with a fallback for when it is gone.

A job of a sweep is a fork of a process that has imported everything. It ends by ``os._exit``, which skips what Python
does at the end of a program, so the job does it itself.

- ``threading._shutdown`` waits for the threads that are not daemons, and runs what :mod:`concurrent.futures` registers
  with it. The fallback joins the threads, for some seconds at most: an idle pool of threads would never end.
- ``atexit._run_exitfuncs`` runs the registered functions. There is no other way to run them: without it they are
  skipped.
- ``weakref.finalize._registry`` lists the finalizers. Without it they all run at the end, which only costs time.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref

_JOIN_SECONDS = 10.0  # for all threads together, where Python no longer waits for them


def run_exit_functions() -> None:
    """Wait for threads, then run what was registered with :mod:`atexit`, in the order in which Python does."""
    getattr(threading, "_shutdown", _join_threads)()
    run_registered = getattr(atexit, "_run_exitfuncs", None)
    if run_registered is not None:
        run_registered()


def _join_threads() -> None:
    deadline = time.monotonic() + _JOIN_SECONDS
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))


def skip_finalizers_at_exit() -> None:
    """Exempt the finalizers that exist by now from running at exit: undoing torch's imports takes 50 ms."""
    registry = getattr(weakref.finalize, "_registry", {})
    for finalizer in tuple(registry):
        with contextlib.suppress(AttributeError):
            finalizer.atexit = False
