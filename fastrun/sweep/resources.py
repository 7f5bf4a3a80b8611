"""The share of the machine that a job gets: cores and GPUs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

from fastrun.config.settings import Settings
from fastrun.system.cores import allowed_cores


def threads(jobs: int) -> int | None:
    """Return the number of threads of each job; None for the default of a single run if one job runs at a time."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, allowed_cores() // jobs)


def visible(count: int) -> list[str]:
    """Return the names of the ``count`` GPUs of this process."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def gpus(settings: Settings, names: list[str], taken: Iterable[list[str]]) -> list[str] | None:
    """Return the GPUs for a job, those with the fewest other jobs; None if it needs none or there are none."""
    if not names or settings.device.accelerator == "cpu":
        return None
    load = Counter(name for used in taken for name in used)
    return sorted(names, key=lambda name: (load[name], names.index(name)))[: settings.device.count]
