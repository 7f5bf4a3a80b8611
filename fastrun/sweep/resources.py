"""What a job gets of the machine: cores and GPUs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from fastrun.config.settings import Settings


def threads(jobs: int) -> int | None:
    """Return the threads of each of several jobs at a time; None, as many as a run of its own has, for one."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, len(os.sched_getaffinity(0)) // jobs)


def visible(count: int) -> list[str]:
    """Return the names of this process's GPUs, of which there are ``count``."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def gpus(settings: Settings, names: list[str], taken: Iterable[list[str]]) -> list[str] | None:
    """Return the GPUs of a job: those that the fewest others use; None where it wants none, or there is none."""
    if not names or settings.device.accelerator == "cpu":
        return None
    load = Counter(name for other in taken for name in other)
    return sorted(names, key=lambda name: (load[name], names.index(name)))[: settings.device.count]
