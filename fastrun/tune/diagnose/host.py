"""How much of a step is the host's own work, Python and launching, rather than computation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch

from fastrun.tune.diagnose.trial import Trial

LAUNCHING = 0.9  # of a forward pass that the host spends on launching kernels: the GPU waits for it then
_PROFILED_STEPS = 5
_PROFILED_SECONDS = 0.1  # of the same steps without the profiler
_PROFILER_LOG = "KINETO_LOG_LEVEL"  # what torch's profiler prints: only what is at least as urgent


def fixed_share(sizes: dict[int, float], batch: int) -> float:
    """Return the share of a step that does not depend on the number of samples, by the line through two sizes.

    Args:
        sizes: seconds of a step by its number of samples.
        batch: the number of samples of the step in question, which is one of them.
    """
    small, large = min(sizes), max(sizes)
    if small == large:
        return 0.0
    slope = (sizes[large] - sizes[small]) / (large - small)
    return min(1.0, max(0.0, 1 - slope * batch / sizes[batch]))


def outside_operations(trial: Trial) -> float:
    """Return the share of a step on the CPU that none of torch's operations takes: Python itself."""
    alone = trial.timer.per_call(trial.step_on_kept_batch, _PROFILED_SECONDS)
    with _silent_profiler(), torch.autograd.profiler.profile(use_kineto=False) as profile:
        for _ in range(_PROFILED_STEPS):
            trial.step_on_kept_batch()
    # An optimizer's own range contains its Python code.
    rows = [row for row in profile.key_averages() if not row.key.startswith("Optimizer.")]
    inside = 1e-6 * sum(row.self_cpu_time_total for row in rows) / _PROFILED_STEPS
    return max(0.0, 1 - float(inside) / alone)


def launching_share(trial: Trial) -> float:
    """Return the share of a forward pass on a GPU in which the host launches its kernels.

    A forward pass is short enough for the queue of kernels, which a whole step might fill.
    """
    shares = []
    for _ in range(_PROFILED_STEPS):
        trial.timer.synchronize()
        begin = trial.timer.clock()
        trial.forward()
        launched = trial.timer.clock() - begin
        trial.timer.synchronize()
        shares.append(launched / max(trial.timer.clock() - begin, 1e-9))
    return median(shares)


@contextmanager
def _silent_profiler() -> Iterator[None]:
    """Let torch's profiler print nothing during a block, where it would say that it finds no GPU."""
    before = os.environ.get(_PROFILER_LOG)
    os.environ[_PROFILER_LOG] = "99"
    try:
        yield
    finally:
        os.environ.pop(_PROFILER_LOG)
        if before is not None:
            os.environ[_PROFILER_LOG] = before
