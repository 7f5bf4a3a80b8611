"""``batch=auto``: the smallest batch size with which a machine reaches nearly its highest throughput.

Larger batches would only make fewer updates from the same samples. Source: McCandlish et al. 2018, "An empirical model
of large-batch training", and Shallue et al. 2019, "Measuring the effects of data parallelism".
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from fastrun.errors import ConfigError
from fastrun.system.free_space import free_memory
from fastrun.system.memory import is_out_of_memory, peak_memory

SMALLEST = 8  # samples of the first size that is tried
_ENOUGH = 0.9  # share of the highest throughput that the chosen size must reach
_GAIN = 1.05  # a doubling that raises the throughput by less than this factor counts as useless
_SECONDS = 0.3  # to measure each size for, with two steps at least
_MAX_STEP_SECONDS = 3.0  # where a step takes longer, no larger size is tried

log = logging.getLogger("fastrun")
Trial = Callable[[int], None]  # takes a training step with that many samples, and returns when it is done


@dataclass(frozen=True)
class BatchSizeResult:
    """What the search measured.

    Attributes:
        throughput: samples per second of each size that was tried.
        is_full: whether the next size did not fit into memory.
    """

    throughput: dict[int, float]
    is_full: bool

    @property
    def size(self) -> int:
        """Return the smallest size with nearly the highest throughput."""
        enough = _ENOUGH * max(self.throughput.values())
        return min(size for size, throughput in self.throughput.items() if throughput >= enough)

    def describe(self) -> str:
        """Return the result in words."""
        best = max(self.throughput, key=lambda size: self.throughput[size])
        chosen, highest = self.throughput[self.size], self.throughput[best]
        fits = f"{max(self.throughput)} {'is the most that fits' if self.is_full else 'fits'}"
        return f"{chosen:,.0f} samples/s with {self.size}, at most {highest:,.0f} with {best}; {fits}"


def search(trial: Trial, most: int, to_the_limit: bool, clock: Callable[[], float] = perf_counter) -> BatchSizeResult:
    """Try sizes, each twice the one before, until one is too large or two doublings in a row were useless.

    Args:
        trial: takes a step; raises a MemoryError, or torch's own error, where the size does not fit.
        most: the largest size to try.
        to_the_limit: go on to the largest size that fits even where doublings are useless.
        clock: returns seconds.

    Raises:
        ConfigError: not even the smallest size fits.
    """
    throughput: dict[int, float] = {}
    size, useless, is_full = min(SMALLEST, most), 0, False
    while size <= most and (to_the_limit or useless < 2):
        try:
            measured = _measure(trial, size, clock)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            is_full = True
            break
        log.debug(f"batch size {size}: {measured:,.0f} samples/s")
        useless = 0 if measured > _GAIN * max(throughput.values(), default=0.0) else useless + 1
        throughput[size] = measured
        if size / measured > _MAX_STEP_SECONDS:
            break
        size *= 2
    if not throughput:
        raise ConfigError(f"batch=auto: not even {size} samples fit into memory", "use a smaller model, or device=cpu")
    return BatchSizeResult(throughput, is_full)


def _measure(trial: Trial, size: int, clock: Callable[[], float]) -> float:
    """Return the samples per second of a size."""
    trial(size)  # not measured: it chooses kernels and allocates memory
    begin, steps = clock(), 0
    while steps < 2 or clock() - begin < _SECONDS:
        trial(size)
        steps += 1
    return size * steps / max(clock() - begin, 1e-9)


def within_free_memory(
    trial: Trial, free: Callable[[], int] = free_memory, peak: Callable[[], int] = peak_memory
) -> Trial:
    """Return a trial that refuses sizes which would take most of the host's free memory.

    A size is expected to take at most four times what the largest step so far took in addition.

    Args:
        trial: the trial.
        free: returns the bytes that are free.
        peak: returns the most bytes that this process has held.
    """
    last_peak, growth = peak(), 0

    def limited(size: int) -> None:
        nonlocal last_peak, growth
        if 4 * growth > free():
            raise MemoryError
        trial(size)
        now = peak()
        last_peak, growth = now, max(growth, now - last_peak)

    return limited
