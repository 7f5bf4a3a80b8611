"""One process at a time runs a sweep."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastrun.errors import InUse
from fastrun.rundir import storage


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a sweep to this process for a block; the lock is gone with the process, whatever ends it.

    Raises:
        InUse: another process has it.
    """
    path = folder / "lock"
    with storage(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 100).decode(errors="replace").strip() or "another process"
            raise InUse(f"{folder} is running in process {holder}", "wait for it, or stop it") from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)
