"""Many images at once, by a process a core.

Processes, since of a small image the most work is Python's: threads would take turns, and one core would idle.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from queue import SimpleQueue

from fastrun.data.picture import ImageError, Side
from fastrun.data.worker import Done, Task, done
from fastrun.errors import DataError

_IMAGES, _BYTES = 512, 8 << 20  # that a task has at most
_EACH = 8  # tasks a core, at least: where they are many, no process waits long for another at the end
_FEW = 64  # images a process: with fewer, starting it takes longer than it saves

Told = Callable[[int], None]  # called with the number of images that were decoded since the last call


@dataclass(frozen=True)
class Job:
    """Images to decode; see :class:`~fastrun.data.worker.Task`."""

    paths: list[str]
    side: Side | None
    shape: tuple[int, ...]
    skip_bad: bool

    def tasks(self, file: Path | None) -> list[Task]:
        """Return the job in parts."""
        row, into = prod(self.shape), None if file is None else str(file)
        count = max(1, min(_IMAGES, _BYTES // row, len(self.paths) // (_EACH * cores())))
        return [
            Task(self.paths[low : low + count], self.side, self.shape, self.skip_bad, into, low * row)
            for low in range(0, len(self.paths), count)
        ]


def decoded(job: Job, file: Path | None, told: Told) -> Done:
    """Decode images into a file that exists, one after another from its start, or, without one, only try them.

    Raises:
        ImageError: an image cannot be used.
        DataError: a process that decodes was ended from outside.
        OSError: the file cannot be written.
    """
    sums: list[int] = []
    bad: list[tuple[int, str]] = []
    tasks = job.tasks(file)
    with _doers(min(cores(), len(job.paths) // _FEW), tasks) as results:
        for task, result in zip(tasks, results, strict=True):
            bad += [(len(sums) + place, why) for place, why in result.bad]
            sums += result.sums
            told(len(task.paths))
    return Done(sums, bad)


@contextmanager
def _doers(count: int, tasks: list[Task]) -> Iterator[Iterator[Done]]:
    """Yield the results of tasks, by this process or by several others."""
    if count < 2:
        yield map(done, tasks)
        return
    with ThreadPoolExecutor(count) as threads, _processes(count) as free:

        def by_the_next(task: Task) -> Done:
            process = free.get()
            try:
                return process(task)
            finally:
                free.put(process)

        try:
            yield threads.map(by_the_next, tasks)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _processes(count: int) -> Iterator[SimpleQueue[Process]]:
    """Start processes, and end them with the block: first of all, so that nothing waits for them."""
    started: list[Process] = []
    free: SimpleQueue[Process] = SimpleQueue()
    try:
        for _ in range(count):
            started.append(Process())
            free.put(started[-1])
        yield free
    finally:
        for process in started:
            process.end()


class Process:
    """Another process, which does one task after another."""

    def __init__(self) -> None:
        found = [str(Path(__file__).resolve().parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "fastrun.data.worker"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the caller, who ends it
        )

    def __call__(self, task: Task) -> Done:
        """Return what became of a task.

        Raises:
            ImageError: an image cannot be used.
            DataError: the process was ended from outside.
            OSError: it cannot write.
        """
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        answer = b""
        with suppress(OSError, ValueError):  # nobody is there to read the task, or ``end`` was called meanwhile
            self.child.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
            self.child.stdin.flush()
            answer = self.child.stdout.readline()
        if not answer:
            raise DataError(
                f"a process that decodes {task.paths[0]} and others was ended (exit code {self.child.wait()})",
                "if that was for its memory: data.cache=false decodes as needed",
            )
        told = json.loads(answer)
        if "image" in told:
            raise ImageError(*told["image"])
        if "system" in told:
            raise OSError(*told["system"])
        return Done(told["sums"], [(place, why) for place, why in told["bad"]])

    def end(self) -> None:
        """End it; it leaves nothing half done that anybody would look at."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.kill()
        self.child.wait()
        with suppress(OSError):
            self.child.stdin.close()
        self.child.stdout.close()


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
