"""The learning-rate range test: the rate rises step by step until the loss diverges.

Source: Smith 2017, "Cyclical learning rates for training neural networks"; when a test ends is as in fastai's
``lr_find``. Each step multiplies the rate by the same number, so a loss is read against the logarithm of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite

from fastrun.errors import Diverged
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.short_run import build_short, take_steps
from fastrun.tune.find.subject import Subject

LOW, HIGH = 1e-6, 10.0  # the rates of a test
_WORSE = 3.0  # a test ends where the loss is above its best by so many times the best
_MEMORY = 20  # the running mean remembers about this part of a test's steps


@dataclass(frozen=True)
class RangeTest:
    """A range test.

    Attributes:
        seed: the seed of the network.
        rates: the learning rate of each step, as ``optimizer.lr`` would set it.
        losses: the training loss of each step.
        has_diverged: whether the test ended because the loss diverged.
    """

    seed: int
    rates: list[float]
    losses: list[float]
    has_diverged: bool


def bounds(rate: float) -> tuple[float, float]:
    """Return the ends of a range test; a rate that is set lies well between them."""
    return min(LOW, rate / 1e3), max(HIGH, rate * 1e2)


def run_range_test(subject: Subject, seed: int, rate: float, steps: int, meter: Meter) -> RangeTest:
    """Train a new network with a rate that rises by the same factor at each step.

    All groups of the optimizer have their rates multiplied by the same number, so ``layer_decay`` and ``lr_scale``
    stay what they are.

    Args:
        subject: the run.
        seed: the seed of the network.
        rate: the rate in the settings, above 0.
        steps: the steps of the test, at most.
        meter: counts the steps.
    """
    low, high = bounds(rate)
    rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
    settings = replace(
        subject.settings,
        seed=seed,
        optimizer=subject.settings.optimizer | {"lr": rate},
        transfer=replace(subject.settings.transfer, freeze="0"),
    )
    parts = build_short(subject, settings, steps, lambda step: rates[step] / rate)
    stepper = parts.build_stepper()
    losses: list[float] = []
    mean, best, weight = 0.0, inf, min(0.5, _MEMORY / steps)
    try:
        for result in take_steps(parts, stepper, steps, meter):
            loss = float(result.loss)
            if not isfinite(loss) or stepper.nan_guard.found_inf.item():
                raise Diverged("")
            losses.append(loss)
            mean += (loss - mean) * max(weight, 1 / len(losses))
            best = min(best, mean)
            if mean > best + _WORSE * abs(best):
                raise Diverged("")
    except Diverged:
        return RangeTest(seed, rates[: len(losses)], losses, has_diverged=True)
    return RangeTest(seed, rates, losses, has_diverged=False)
