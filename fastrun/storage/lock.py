"""A lock that keeps a second run out of a run directory. The kernel releases it when its holder dies, however it dies.

It is a POSIX record lock, which network file systems have, too. Such a lock excludes other processes, but not other
threads of the same process, and a forked child does not inherit it. ``_register`` is for those two: it lists what this
process holds.
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

from fastrun.errors import InUse
from fastrun.storage.atomic import storage_errors
from fastrun.storage.links import check_no_links
from fastrun.system.process import Process

_HELD = {errno.EACCES, errno.EAGAIN}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # a file system without locks
_register: dict[
    Path, tuple[int, dict[str, Any]]
] = {}  # by directory: the id of the process that holds it, and who it is
_register_lock = threading.Lock()
_ahead: dict[Path, tuple[int, list[str]]] = {}  # by directory locked ahead: the id of the process, and the notes
_SIZE = 512  # bytes of the file, filled with spaces: it is written at once, so that who reads it always finds a holder


@contextmanager
def locked(folder: Path) -> Iterator[list[str]]:
    """Lock a folder for the time of a block, and create it if it does not exist.

    Yields:
        Notes for the user. There are none where the file system has locks.

    Raises:
        InUse: another run holds it.
        StorageError: the folder cannot be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    pid, ahead = _ahead.pop(folder.resolve(), (0, []))
    if pid == os.getpid():
        yield ahead
        return
    holder = asdict(Process.this()) | {"since": time.time()}
    with _registered(folder, holder):
        with storage_errors(folder):
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with storage_errors(folder):
                notes = _acquire(handle, folder)
                os.pwrite(handle, json.dumps(holder).encode().ljust(_SIZE), 0)
            try:
                yield notes
            finally:
                with suppress(OSError):
                    os.ftruncate(handle, 0)  # a name that stays in it is that of a process that was killed
        finally:
            os.close(handle)


@contextmanager
def locked_ahead(folder: Path) -> Iterator[None]:
    """Lock a folder before what will lock it is imported, so that whoever watches it sees at once that it goes on.

    The first :func:`locked` of the folder in the block is given this lock.

    Raises:
        CheckpointError: something in the folder is a link.
        InUse: another run holds it.
        StorageError: the folder cannot be written.
    """
    check_no_links(folder)
    path = folder.resolve()
    with locked(folder) as notes:
        _ahead[path] = os.getpid(), notes
        try:
            yield
        finally:
            _ahead.pop(path, None)


@contextmanager
def _registered(folder: Path, holder: dict[str, Any]) -> Iterator[None]:
    """Keep other threads of this process out. They must not even open the file: closing it would release the lock."""
    path = folder.resolve()
    with _register_lock:
        pid, current = _register.get(path, (0, {}))
        if pid == os.getpid():
            raise _in_use(folder, current)
        _register[path] = os.getpid(), holder
    try:
        yield
    finally:
        del _register[path]


def _acquire(handle: int, folder: Path) -> list[str]:
    """Acquire the lock, or raise InUse. Without locks, trust what the file says about a process of this machine."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD | _UNSUPPORTED:
            raise
        holder = _read(handle)
        process = Process.of(holder)
        if error.errno in _HELD or (process is not None and process.is_here() and not process.is_gone()):
            raise _in_use(folder, holder) from error
        return ["this file system has no locks: make sure that no second run uses this directory"]
    return []


def _read(handle: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _in_use(folder: Path, holder: dict[str, Any]) -> InUse:
    process = Process.of(holder)
    if process is None:
        return InUse(f"{folder} is in use by another process", "wait for it, or stop it")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder.get("since", 0))))
    message = f"{folder} is running in process {process.pid} on {process.host} since {since}"
    return InUse(message, "wait for it, or stop it with SIGTERM, at which it saves what it has")
