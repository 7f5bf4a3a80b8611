"""Decodes many images, with one process per core.

These are processes and not threads, because most of the work on a small image is Python's: threads would take turns,
and only one core would be busy.
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

from fastrun.components.data.picture import ImageError, Size
from fastrun.components.data.worker import DecodeResult, DecodeTask, run_task
from fastrun.errors import DataError

_TASK_IMAGES, _TASK_BYTES = 512, 8 << 20  # the most that a task may have
_TASKS_PER_CORE = 8  # at least: with many tasks, no process waits long for another one at the end
MIN_IMAGES_PER_PROCESS = 64  # starting a process for fewer takes longer than it saves

OnProgress = Callable[[int], None]  # called with the number of images that were decoded since the last call


@dataclass(frozen=True)
class DecodeRequest:
    """Images of one shape to decode.

    Attributes:
        paths: the files of the images.
        size: the height and width to resize the images to; None to keep them as they are.
        shape: the shape that each image must have then, ``[3, height, width]``.
        skip_bad: report what is not an image, instead of failing.
    """

    paths: list[str]
    size: Size | None
    shape: tuple[int, ...]
    skip_bad: bool

    def tasks(self, file: Path | None) -> list[DecodeTask]:
        """Split the request into tasks that write one after another into a file, or only check the images."""
        image_bytes, target = prod(self.shape), None if file is None else str(file)
        per_task = max(1, min(_TASK_IMAGES, _TASK_BYTES // image_bytes, len(self.paths) // (_TASKS_PER_CORE * cores())))
        return [
            DecodeTask(
                self.paths[low : low + per_task], self.size, self.shape, self.skip_bad, target, low * image_bytes
            )
            for low in range(0, len(self.paths), per_task)
        ]


def decode_images(request: DecodeRequest, file: Path | None, on_progress: OnProgress) -> DecodeResult:
    """Decode images one after another into a file.

    Args:
        request: the images.
        file: an existing file, which is filled from its start; None to only check the images.
        on_progress: called from time to time with the number of images that were decoded since the last call.

    Returns:
        The checksums of all images and the bad ones.

    Raises:
        ImageError: an image cannot be used.
        DataError: a process that decodes was ended from outside.
        OSError: the file cannot be written.
    """
    sums: list[int] = []
    bad: list[tuple[int, str]] = []
    tasks = request.tasks(file)
    with _run_tasks(tasks, min(cores(), len(request.paths) // MIN_IMAGES_PER_PROCESS)) as results:
        for task, result in zip(tasks, results, strict=True):
            bad += [(len(sums) + index, reason) for index, reason in result.bad]
            sums += result.sums
            on_progress(len(task.paths))
    return DecodeResult(sums, bad)


@contextmanager
def _run_tasks(tasks: list[DecodeTask], count: int) -> Iterator[Iterator[DecodeResult]]:
    """Yield the results of tasks that run in ``count`` other processes, or in this one if ``count`` is below 2."""
    if count < 2:
        yield map(run_task, tasks)
        return
    with ThreadPoolExecutor(count) as threads, _processes(count) as free:

        def run_in_free_process(task: DecodeTask) -> DecodeResult:
            process = free.get()
            try:
                return process(task)
            finally:
                free.put(process)

        try:
            yield threads.map(run_in_free_process, tasks)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _processes(count: int) -> Iterator[SimpleQueue[DecoderProcess]]:
    """Start processes, and stop them when the block ends, before anything can wait for their results."""
    processes: list[DecoderProcess] = []
    free: SimpleQueue[DecoderProcess] = SimpleQueue()
    try:
        for _ in range(count):
            processes.append(DecoderProcess())
            free.put(processes[-1])
        yield free
    finally:
        for process in processes:
            process.stop()


class DecoderProcess:
    """Another process that runs one task after another."""

    def __init__(self) -> None:
        package_parent = str(Path(__file__).resolve().parents[3])
        paths = [package_parent, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "fastrun.components.data.worker"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C goes to the caller alone, which stops this process
        )

    def __call__(self, task: DecodeTask) -> DecodeResult:
        """Run a task and return its result.

        Raises:
            ImageError: an image cannot be used.
            DataError: the process was ended from outside.
            OSError: the process cannot write the file.
        """
        line = self._exchange(json.dumps(asdict(task)).encode() + b"\n")
        if not line:
            raise DataError(
                f"a process that decodes {task.paths[0]} and others was ended (exit code {self.child.wait()})",
                "if it ran out of memory, use data.cache=false, which decodes images as needed",
            )
        response = json.loads(line)
        if "image" in response:
            raise ImageError(*response["image"])
        if "system" in response:
            raise OSError(*response["system"])
        return DecodeResult(response["sums"], [(index, reason) for index, reason in response["bad"]])

    def _exchange(self, line: bytes) -> bytes:
        """Write a line and return the line that comes back; empty if the process has ended."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        with suppress(OSError, ValueError):  # the process has ended, or :meth:`stop` was called meanwhile
            self.child.stdin.write(line)
            self.child.stdin.flush()
            return self.child.stdout.readline()
        return b""

    def stop(self) -> None:
        """Kill the process; what it was writing is not used by anybody."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.kill()
        self.child.wait()
        with suppress(OSError):
            self.child.stdin.close()
        self.child.stdout.close()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
