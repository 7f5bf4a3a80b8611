"""The batch size that a machine wants: the smallest at which it trains about as many samples a second as it can.

Larger batches than that only make fewer updates of the same samples. Source: McCandlish et al. 2018, "An empirical
model of large-batch training", and Shallue et al. 2019, "Measuring the effects of data parallelism".
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch

from fastrun import feed as feeding
from fastrun.amp import precision
from fastrun.data.sets import size_of
from fastrun.errors import ConfigError
from fastrun.hardware import Place, place
from fastrun.heuristics import Heuristics
from fastrun.losses import loss_of
from fastrun.memory import ran_out
from fastrun.network import network
from fastrun.pipeline.standardize import fitted
from fastrun.settings import Settings
from fastrun.task import Loss
from fastrun.updating import optimizer

_LEAST = 8
_ENOUGH = 0.9  # of the best pace: what the smallest batch must reach
_GAIN = 1.05  # a doubling that brings less has nothing more to bring
_SECONDS = 0.3  # of steps a trial, at least two
_STEPS = 16  # the fewest an epoch: on small data it is steps that training lacks
_PATIENCE = 3.0  # seconds that a single step may take; larger batches are not tried

log = logging.getLogger("fastrun")
Trial = Callable[[int], None]  # takes a step with so many samples, and returns when it is done


@dataclass(frozen=True)
class Found:
    """Samples a second at each size that was tried, and what ended the search."""

    pace: dict[int, float]
    is_full: bool  # the next size did not fit

    @property
    def size(self) -> int:
        """Return the smallest size with nearly the best pace."""
        return min(size for size, pace in self.pace.items() if pace >= _ENOUGH * max(self.pace.values()))

    def told(self) -> str:
        """Return what was found in words."""
        best = max(self.pace, key=lambda size: self.pace[size])
        fits = f"{max(self.pace)} {'is the most that fits' if self.is_full else 'fits'}"
        own, top = self.pace[self.size], self.pace[best]
        return f"{own:,.0f} samples/s with {self.size}, at best {top:,.0f} with {best}; {fits}"


def search(trial: Trial, most: int, to_the_limit: bool, clock: Callable[[], float] = perf_counter) -> Found:
    """Try sizes, each twice the one before, until one is too large or brings nothing.

    Args:
        trial: takes a step; raises a MemoryError or torch's own where the size does not fit.
        most: the largest size to try.
        to_the_limit: go on to the largest size that fits, though larger ones bring nothing.
        clock: seconds.

    Raises:
        ConfigError: not even the smallest size fits.
    """
    pace: dict[int, float] = {}
    size, idle, is_full = min(_LEAST, most), 0, False
    while size <= most and (to_the_limit or idle < 2):
        try:
            pace[size] = _pace(trial, size, clock)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            is_full = True
            break
        log.debug(f"batch size {size}: {pace[size]:,.0f} samples/s")
        before = max((p for s, p in pace.items() if s < size), default=0.0)
        idle = 0 if pace[size] > _GAIN * before else idle + 1
        if size / pace[size] > _PATIENCE:
            break
        size *= 2
    if not pace:
        raise ConfigError(f"batch=auto: not even {size} samples fit", "a smaller model, or device=cpu")
    return Found(pace, is_full)


def _pace(trial: Trial, size: int, clock: Callable[[], float]) -> float:
    trial(size)  # the first one chooses kernels and takes memory
    begin, steps = clock(), 0
    while steps < 2 or clock() - begin < _SECONDS:
        trial(size)
        steps += 1
    return size * steps / max(clock() - begin, 1e-9)


def settled(settings: Settings) -> Settings:
    """Return the settings with the batch size that this machine wants, tried out on a network of its own.

    Raises:
        ConfigError: not even a small batch fits.
    """
    where = place(settings.device)
    sets = feeding.load(settings)
    scale = fitted(sets.train)
    net = network(settings, sets, scale, Heuristics({})).to(where.device).train()
    step = _step_of(settings, net, loss_of(settings, sets.task), where)
    samples = size_of(sets.train)
    held = torch.utils.data.default_collate([sets.train[index] for index in range(min(samples, _LEAST))])
    x, y = (torch.as_tensor(part) for part in held)

    def trial(size: int) -> None:
        times = -(-size // len(x))
        inputs = scale(x.repeat(times, *[1] * (x.ndim - 1))[:size]).to(where.device)
        step(inputs, y.repeat(times, *[1] * (y.ndim - 1))[:size].to(where.device))
        if where.device.type == "cuda":
            torch.cuda.synchronize()

    guarded = trial if where.device.type == "cuda" else _guarded(trial)
    shares = where.world * settings.batch.accumulate
    found = search(guarded, max(1, samples // shares // _STEPS), to_the_limit=where.device.type == "cuda")
    log.info(f"batch: {found.told()}")
    return replace(settings, batch=replace(settings.batch, kind="fixed", size=found.size * shares, found=found.told()))


def _step_of(
    settings: Settings, net: torch.nn.Module, loss: Loss, where: Place
) -> Callable[[torch.Tensor, torch.Tensor], None]:
    advance, amp = optimizer(settings, net), precision(settings.amp.kind, where.device)
    if isinstance(loss, torch.nn.Module):
        loss.to(where.device)

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        with amp.autocast():
            value = loss(net(x), y)
        torch.autograd.backward(value)
        advance.step()
        advance.zero_grad()

    return step


def _guarded(trial: Trial) -> Trial:
    """Refuse a size that would take most of the host's free memory, judging from what the last one took."""
    last = [_peak(), 0]

    def guarded(size: int) -> None:
        grown, free = last[1], _free()
        if free is not None and 4 * grown > free:
            raise MemoryError
        trial(size)
        peak = _peak()
        last[:] = [peak, max(grown, peak - last[0])]

    return guarded


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")), None)
