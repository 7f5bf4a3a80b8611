"""How many worker processes load samples fast enough for the training, where the device does not hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from fastrun.components.pipeline import Batch

_GAIN = 1.05  # that more processes must bring: each takes memory and a core
_WARM_BATCHES = 4  # not timed: the processes are started, and have prepared some batches ahead
_SECONDS = 0.5  # that a number of processes is measured for at least


def candidates(cores: int) -> list[int]:
    """Return the numbers of processes to try: 1, 2, 4, … up to the cores, and these."""
    counts = [count for count in (1, 2, 4, 8, 16, 32) if count < cores]
    return [*counts, max(1, cores)]


def throughput(
    batches: Iterator[Batch], step: Callable[[Batch], None], clock: Callable[[], float] = perf_counter
) -> float:
    """Return the steps a second of a training that takes its batches from workers.

    Args:
        batches: the batches.
        step: takes a step with a batch.
        clock: returns seconds.
    """
    for _ in range(_WARM_BATCHES):
        step(next(batches))
    begin, steps = clock(), 0
    while clock() - begin < _SECONDS or steps < _WARM_BATCHES:
        step(next(batches))
        steps += 1
    return steps / max(clock() - begin, 1e-9)


def choose_workers(
    counts: Sequence[int], measure: Callable[[int], float], left: Callable[[], float]
) -> dict[int, float]:
    """Measure numbers of processes, fewer first, until more bring nothing or the time is over.

    Args:
        counts: the numbers.
        measure: returns the steps a second with a number.
        left: returns the seconds that are left.

    Returns:
        The steps a second of each number that was measured.
    """
    measured: dict[int, float] = {}
    for count in counts:
        if measured and left() <= 0:
            break
        rate = measure(count)
        is_useless = bool(measured) and rate < _GAIN * max(measured.values())
        measured[count] = rate
        if is_useless:
            break
    return measured


def best(measured: dict[int, float]) -> int:
    """Return the smallest number that no larger one is better than by the gain that more processes must bring."""
    chosen = min(measured)
    for count in sorted(measured):
        if measured[count] > _GAIN * measured[chosen]:
            chosen = count
    return chosen
