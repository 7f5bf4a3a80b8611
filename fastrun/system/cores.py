"""The cores that this process may use, and how threads that wait for each other do so."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from pathlib import PurePosixPath

from fastrun.system import proc

_CGROUPS = "/sys/fs/cgroup"
_WAITING = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"


def allowed_cores() -> int:
    """Return how many threads may compute at a time: what affinity, cgroup quota and OMP_NUM_THREADS all allow.

    ``os.cpu_count()`` is the number of the host, also in a container that may use one core of it. Of a quota of one
    and a half cores, one thread is used: two would be stopped for a part of each period.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, *(max(1, int(quota)) for quota in _quotas()), *_requested()]
    return min(limits)


def _requested() -> Iterator[int]:
    """Yield the number of threads in OMP_NUM_THREADS, if there is one; of a list (nested regions) the first counts."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if text.isdecimal() and int(text) > 0:
        yield int(text)


def _quotas() -> Iterator[float]:
    """Yield the quota of each control group that this process is in, in cores; those without one are left out.

    A container may not see its own path, so the root of the mounted hierarchy is looked at in any case.
    """
    groups = [line.split(":", 2) for line in proc.read("/proc/self/cgroup").splitlines() if line.count(":") >= 2]
    for number, controllers, path in groups:
        if number == "0":
            for folder in _upwards(path):
                yield from _quota(*(proc.read(f"{_CGROUPS}{folder}/cpu.max").split() or ["max"]))
        elif "cpu" in controllers.split(","):
            for folder in _upwards(path):
                root = f"{_CGROUPS}/cpu{folder}"
                yield from _quota(
                    proc.read(f"{root}/cpu.cfs_quota_us").strip() or "max",
                    proc.read(f"{root}/cpu.cfs_period_us").strip(),
                )


def _upwards(path: str) -> list[str]:
    """Return a path of a control group and those above it, the root as an empty text."""
    return [str(folder).rstrip("/") for folder in (PurePosixPath(path), *PurePosixPath(path).parents)]


def _quota(quota: str, period: str = "") -> Iterator[float]:
    """Yield quota / period, both in microseconds; nothing where there is no quota (``max``, or below 0)."""
    if quota.isdecimal() and period.isdecimal() and int(period):
        yield int(quota) / int(period)


def wait_briefly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP's threads sleep soon while they wait, instead of keeping cores busy that others could use.

    Threads of a parallel region wait for the slowest of them. By default they spin for milliseconds, and where another
    process holds a core, each region then takes as long as that process is given. This has an effect only before torch
    is imported. What the user has set stays as it is.
    """
    if not any(name in environ for name in _WAITING):
        # Of GNU's OpenMP, which torch's packages have: some 30 microseconds. Twice as many make the step of a small
        # resnet 1.2 times as fast on two quiet cores, and 2.6 times as slow beside two busy processes.
        environ["GOMP_SPINCOUNT"] = "2000"
        environ["KMP_BLOCKTIME"] = "0"  # milliseconds, of LLVM's and Intel's
