"""The share of CPU time that a process got of what it asked for: what other work on the machine takes away from it."""

from __future__ import annotations

from pathlib import Path

from fastrun.system import proc

_TASKS = Path("/proc/self/task")


class CpuShare:
    """Measures the share of CPU time that the threads of this process get, from its construction on.

    Linux counts for each thread the time that it ran and the time that it was ready to run and waited for a core. A
    thread that sleeps, or waits for a device or a disk, counts for neither. Worker processes are not counted.
    Source: Documentation/scheduler/sched-stats.rst of Linux.
    """

    def __init__(self) -> None:
        self._before = _times()

    def share(self) -> float | None:
        """Return the time that the threads ran, divided by the time that they ran or waited for a core.

        Returns:
            A number in [0, 1]; None where the system does not count it, or nothing has run since the construction.
        """
        ran = waited = 0
        for thread, (run, wait) in _times().items():
            run_before, wait_before = self._before.get(thread, (0, 0))
            ran += max(0, run - run_before)
            waited += max(0, wait - wait_before)
        return ran / (ran + waited) if ran + waited else None


def _times() -> dict[str, tuple[int, int]]:
    """Return the nanoseconds that each thread of this process has run, and has waited for a core, by its number."""
    try:
        threads = [path.name for path in _TASKS.iterdir()]
    except OSError:
        return {}
    found: dict[str, tuple[int, int]] = {}
    for thread in threads:
        numbers = proc.read(f"{_TASKS}/{thread}/schedstat").split()
        if len(numbers) >= 2:  # nothing of a thread that has just ended
            found[thread] = int(numbers[0]), int(numbers[1])
    return found
