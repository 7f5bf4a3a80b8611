"""``find lr``: range tests say where to look, and short runs with the run's own schedule decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf, log10

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.tune.find.comparison import Candidate, Comparison
from fastrun.tune.find.effort import plan_effort, plan_tests
from fastrun.tune.find.fall import Fall, find_fall, median_fall
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.range_test import RangeTest, run_range_test
from fastrun.tune.find.subject import Subject

KEY = "optimizer.lr"
_MANTISSAS = (1, 2, 3, 5)  # of the rates that are tried, in each decade
_VALUES = 7  # that are tried if the range tests were right: five coarse ones and two beside the best
_MORE = 4  # rungs beyond the five, at each end
_AS_GOOD = 0.01  # of the lowest loss
_UNSET = 1e-3  # stands for a rate of 0, which nothing can be multiplied by


@dataclass(frozen=True)
class RateResult:
    """A suggested learning rate.

    Attributes:
        tests: the range tests.
        fall: where their losses fall, the median over the tests.
        candidates: the rates that were tried in short runs, with their losses.
        best: the one that is suggested: that with the lowest loss, or a lower one that is about as good.
        steps: the steps of a short run.
        test_steps: the steps of a range test.
        total_steps: the steps of the run.
    """

    tests: list[RangeTest]
    fall: Fall
    candidates: list[Candidate]
    best: Candidate
    steps: int
    test_steps: int
    total_steps: int


def find_rate(subject: Subject, meter: Meter, *, seeds: int | None = None, steps: int | None = None) -> RateResult:
    """Suggest a learning rate.

    Args:
        subject: the run.
        meter: counts the steps.
        seeds: the networks to try each rate with; None chooses by the cost of a step.
        steps: the steps of a range test and of a short run; None takes 100, and chooses by the cost of a step.

    Raises:
        ConfigError: the optimizer has no rate, no rate makes the loss fall, or it diverges with every one.
    """
    present, total = _present_rate(subject.settings), subject.plan.total_steps
    tested = plan_tests(subject.seconds_per_step, seeds=seeds, steps=steps)
    meter.expect(tested.seeds * tested.steps)
    tests = [_test(subject, seed, present, tested.steps, meter) for seed in subject.seeds(tested.seeds)]
    fall, taken = _fall(tests, tested.steps), tested.seeds * tested.steps
    effort = plan_effort(subject.seconds_per_step, total, _VALUES, seeds=seeds, steps=steps, taken=taken)
    candidates = _compare(Comparison(subject, effort, meter, _with_rate, KEY), fall.steepest)
    best = _choose(candidates, is_whole=effort.steps >= total)
    return RateResult(tests, fall, candidates, best, effort.steps, tested.steps, total)


def _compare(comparison: Comparison, middle: float) -> list[Candidate]:
    """Return rates around one, with those beside the best of them, and the losses of short runs with each.

    Raises:
        ConfigError: the loss diverges with every rate.
    """
    rung = _nearest_rung(middle)
    best = comparison.search(range(rung - 4, rung + 5, 2), _rate_at, _MORE)
    if comparison.best.loss == inf:
        raise ConfigError(
            f"the loss diverges with every rate from {comparison.candidates[0].value:g} on",
            "check the data and the loss: `fastrun train` says at which step, and clip=norm may help",
        )
    beside = _rate_at(best - 1), _rate_at(best + 1)
    comparison.announce(beside)
    for rate in beside:
        comparison.measure(rate)
    return comparison.candidates


def _choose(candidates: list[Candidate], *, is_whole: bool) -> Candidate:
    """Return the rate with the lowest loss; where the runs were shorter, the lowest of those that are about as good.

    The best rate falls as runs get longer: Bjorck et al. 2024, "Scaling optimal LR across token horizons".

    Args:
        candidates: the rates that were tried, in order.
        is_whole: whether the runs were as long as the run that the rate is for.
    """
    best = min(candidates, key=lambda candidate: candidate.loss)
    if is_whole:
        return best
    return next(one for one in candidates if one.loss <= best.loss + _AS_GOOD * abs(best.loss))


def _present_rate(settings: Settings) -> float:
    rate = settings.optimizer.get("lr")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise ConfigError(f"{KEY}={rate} is no number", "choose an optimizer that has one: `fastrun options optimizer`")
    return float(rate) or _UNSET


def _with_rate(settings: Settings, rate: float) -> Settings:
    return replace(settings, optimizer=settings.optimizer | {"lr": rate})


def _test(subject: Subject, seed: int, rate: float, steps: int, meter: Meter) -> RangeTest:
    meter.begin(f"range test, seed {seed}")
    test = run_range_test(subject, seed, rate, steps, meter)
    meter.expect(len(test.losses) - steps)
    return test


def _fall(tests: list[RangeTest], steps: int) -> Fall:
    """Return where the losses of most tests fall.

    Raises:
        ConfigError: those of most do not.
    """
    falls = [fall for test in tests if (fall := find_fall(test.rates, test.losses, steps))]
    if 2 * len(falls) > len(tests):
        return median_fall(falls)
    shortest = min(tests, key=lambda test: len(test.losses))
    if shortest.has_diverged and len(shortest.losses) < steps // 5:
        last = shortest.rates[-1] if shortest.rates else 0.0
        raise ConfigError(
            f"the loss diverges with every rate, {last:g} among them", "check the data and the loss, or try clip=norm"
        )
    raise ConfigError(
        f"no rate made the loss fall in {steps} steps, up to {tests[0].rates[-1]:g}",
        "more --steps, a larger batch.size, which makes less noise; or the data holds nothing that the model can learn",
    )


def _nearest_rung(rate: float) -> int:
    """Return the rung of a coarse rate, 1 or 3 times a power of ten, that is nearest by its logarithm."""
    rungs = range(len(_MANTISSAS) * floor(log10(rate)), len(_MANTISSAS) * floor(log10(rate)) + 5, 2)
    return min(rungs, key=lambda rung: abs(log10(_rate_at(rung) / rate)))


def _rate_at(rung: int) -> float:
    """Return the rate of a rung: 1, 2, 3 and 5 times the powers of ten, in order."""
    decade, place = divmod(rung, len(_MANTISSAS))
    return float(f"{_MANTISSAS[place]}e{decade}")
