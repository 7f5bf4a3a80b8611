"""The other processes of a run on several devices.

Lightning would run the user's command line again for each; that would compose again, and make run directories of its
own. Here the first process starts the others and hands them its settings, and Lightning finds all of them there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from fastrun import redaction
from fastrun.config.settings import Settings
from fastrun.errors import OutOfMemory
from fastrun.system.process import end_with_parent

_SECONDS = 15.0  # for a process whose connection broke to end


@contextmanager
def other_processes(run: Path, settings: Settings, resume: Path | None) -> Iterator[None]:
    """Start the processes but the first for the duration of a block; none is left after it.

    Args:
        run: the run directory.
        settings: the run, whole.
        resume: the checkpoint to go on from, or None.

    Raises:
        MemoryError: one of them has no memory left, which this one knows as a connection that broke.
    """
    count = settings.device.count
    if count == 1 or "LOCAL_RANK" in os.environ:
        yield
        return
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count), "NODE_RANK": "0"}
    order = {
        "run": str(run),
        "resume": str(resume) if resume else None,
        "settings": asdict(settings),
        "secrets": redaction.known_secrets(),
    }
    children = [_start(order, shared | {"LOCAL_RANK": str(rank)}, count) for rank in range(1, count)]
    before = {name: os.environ.get(name) for name in [*shared, "LOCAL_RANK"]}
    os.environ.update(shared, LOCAL_RANK="0")
    try:
        yield
        for child in children:
            child.wait(timeout=60)
    except RuntimeError as error:
        if any(_exit_code(child) == OutOfMemory.exit_code for child in children):
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


def _start(order: Mapping[str, object], environment: dict[str, str], count: int) -> subprocess.Popen[str]:
    """Start a process with its share of the cores, and hand it what to do, which may hold secrets, by a pipe."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    environ = os.environ | environment | {"OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "fastrun.run.ddp"]
    child = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, text=True)
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:  # one that ended at once shows when the processes meet
        json.dump(order, child.stdin, default=str)
    return child


def _exit_code(child: subprocess.Popen[str]) -> int | None:
    """Return the exit code of a process that is about to end, None of one that goes on."""
    with suppress(subprocess.TimeoutExpired):
        return child.wait(timeout=_SECONDS)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Train as one of the other processes; a signal that only this one gets stops all of them at the same step."""
    from fastrun.system import signals

    end_with_parent(signal.SIGKILL)
    order = json.load(sys.stdin)
    redaction.remember(order["secrets"])
    with signals.listening(breaks_off=False):
        from fastrun.config.settings import from_dict
        from fastrun.errors import Diverged, Interrupted
        from fastrun.storage.run_dir import RunDir
        from fastrun.system import memory
        from fastrun.system.clock import Clock, process_start
        from fastrun.training.builders.setup import set_up
        from fastrun.training.fit import fit

        sys.path.append(os.getcwd())  # noqa: PTH109 (sys.path takes strings)
        settings, run = from_dict(order["settings"]), RunDir(Path(order["run"]))
        resume = Path(order["resume"]) if order["resume"] else None
        try:
            fit(settings, run, set_up(settings), resume, Clock(process_start()), None)
        except (Interrupted, Diverged):  # the first process says it
            os._exit(0)  # at once: threads of the group of processes do not bear that their interpreter ends
        except (MemoryError, RuntimeError) as error:
            if memory.is_out_of_memory(error):
                os._exit(OutOfMemory.exit_code)  # at once: the first process, whose connection breaks, waits for it
            raise


if __name__ == "__main__":
    main()
