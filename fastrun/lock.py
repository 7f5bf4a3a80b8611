"""One run a directory: a lock that the kernel takes back when its holder dies, however it dies.

A POSIX record lock, since network file systems have them too. It keeps processes apart, not the threads of one, and
a forked child has none of its parent's: the register is for those.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.durable import storage
from fastrun.errors import InUse
from fastrun.process import Process

_TAKEN = {errno.EACCES, errno.EAGAIN}
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # a file system without locks
_register: dict[Path, tuple[int, dict[str, Any]]] = {}  # what a process, by its id, holds
_one_at_a_time = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[list[str]]:
    """Hold a folder, made if need be, for a block; yields what the user must know: nothing, where locks work.

    Raises:
        InUse: a run has it.
        StorageError: the folder cannot be written.
    """
    with storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    holder = asdict(Process.this()) | {"since": time.time()}
    with _registered(folder, holder):
        with storage(folder):
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with storage(folder):
                notes = _taken(handle, folder)
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(holder).encode(), 0)
            try:
                yield notes
            finally:
                with suppress(OSError):
                    os.ftruncate(handle, 0)  # nobody's; a name left in it is that of a process which was killed
        finally:
            os.close(handle)


@contextmanager
def _registered(folder: Path, holder: dict[str, Any]) -> Iterator[None]:
    """Keep the threads of this process apart: one more look at the file would give the lock away, besides."""
    place = folder.resolve()
    with _one_at_a_time:
        pid, found = _register.get(place, (0, {}))
        if pid == os.getpid():
            raise _in_use(folder, found)
        _register[place] = os.getpid(), holder
    try:
        yield
    finally:
        del _register[place]


def _taken(handle: int, folder: Path) -> list[str]:
    """Take the lock; where there are none, trust what the file says of a process of this machine."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN | _UNKNOWN:
            raise
        holder = _read(handle)
        process = Process.of(holder)
        if error.errno in _TAKEN or (process is not None and process.is_here() and not process.is_gone()):
            raise _in_use(folder, holder) from error
        return ["this file system has no locks: take care that no second run uses this directory"]
    return []


def _read(handle: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _in_use(folder: Path, holder: dict[str, Any]) -> InUse:
    process = Process.of(holder)
    if process is None:
        return InUse(f"{folder} is in use by another process", "wait for it, or stop it")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder.get("since", 0))))
    message = f"{folder} is running in process {process.pid} on {process.host} since {since}"
    return InUse(message, "wait for it, or stop it; it saves what it has when it gets SIGTERM")
