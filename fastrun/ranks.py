"""The other processes of a run on several devices.

Lightning would run the user's command line again for each; that would compose again, and make run directories of its
own. Here the first process starts the others on its run directory, and Lightning finds all of them there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastrun.errors import OutOfMemory
from fastrun.redaction import handed

_SECONDS = 15.0  # for a process whose connection broke to end


@contextmanager
def others(run: Path, count: int, resume: Path | None) -> Iterator[None]:
    """Start processes 1 to ``count - 1`` for the duration of a block; none is left after it.

    Raises:
        MemoryError: one of them has no memory left, which this one knows as a connection that broke.
    """
    if count == 1 or "LOCAL_RANK" in os.environ:
        yield
        return
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count), "NODE_RANK": "0"}
    threads = str(max(1, (os.cpu_count() or 1) // count))
    arguments = [sys.executable, "-m", "fastrun.ranks", str(run), *([str(resume)] if resume else [])]
    children = [
        subprocess.Popen(
            arguments, env=os.environ | handed() | shared | {"LOCAL_RANK": str(rank), "OMP_NUM_THREADS": threads}
        )
        for rank in range(1, count)
    ]
    before = {name: os.environ.get(name) for name in [*shared, "LOCAL_RANK"]}
    os.environ.update(shared, LOCAL_RANK="0")
    try:
        yield
        for child in children:
            child.wait(timeout=60)
    except RuntimeError as error:
        if any(_end_of(child) == OutOfMemory.exit_code for child in children):
            raise MemoryError("another process of the run has no memory left") from error
        raise
    finally:
        for child in children:
            child.kill()
            child.wait()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _end_of(child: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a process that is about to end, None of one that goes on."""
    with suppress(subprocess.TimeoutExpired):
        return child.wait(timeout=_SECONDS)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_the_first() -> None:
    """Have the system end this process when the one that started it ends, however that does (Linux: prctl(2))."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main(run: str, resume: str | None = None) -> None:
    """Train as one of the other processes; a signal that only this one gets stops all of them at the same step."""
    from fastrun import signals

    _end_with_the_first()
    with signals.listening(breaks_off=False):
        from fastrun import assemble, memory
        from fastrun.clock import Clock, process_start
        from fastrun.errors import Diverged, Interrupted
        from fastrun.hydra_app import frozen
        from fastrun.rundir import RunDir

        sys.path.append(os.getcwd())  # noqa: PTH109 (sys.path takes strings)
        directory = RunDir(Path(run))
        settings = frozen(directory.config(), [])
        try:
            assemble.fit(settings, directory, Path(resume) if resume else None, Clock(process_start()), None)
        except (Interrupted, Diverged):  # the first process says it
            os._exit(0)  # at once: threads of the group of processes do not bear that their interpreter ends
        except (MemoryError, RuntimeError) as error:
            if memory.ran_out(error):
                os._exit(OutOfMemory.exit_code)  # at once: the first process, whose connection breaks, waits for it
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
