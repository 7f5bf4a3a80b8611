"""Where the loss of a range test falls, on curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from fastrun.tune.find.fall import Fall, find_fall, median_fall, smooth

STEPS = 100
RATES = (10.0 ** np.linspace(-6, 1, STEPS)).tolist()


def curve(middle: float, noise: float = 0.0, rises_at: float = 1.0) -> list[float]:
    """A loss that falls from 2.3 to 0.3, fastest by the logarithm of the rate at ``middle``, and rises at the end."""
    x = np.log10(RATES)
    fall = 2.0 / (1 + np.exp(-4 * (x - np.log10(middle))))
    rise = np.where(x > np.log10(rises_at), 8 * (x - np.log10(rises_at)), 0.0)
    return (2.3 - fall + rise + noise * np.random.default_rng(0).standard_normal(STEPS)).tolist()


@pytest.mark.parametrize("middle", [1e-4, 3e-3, 3e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_fall_is_steepest_by_the_logarithm_of_the_rate(middle: float, noise: float) -> None:
    fall = find_fall(RATES, curve(middle, noise), STEPS)
    assert fall is not None
    assert np.log10(fall.steepest / middle) == pytest.approx(0, abs=0.15 if noise == 0 else 0.4)
    assert middle / 10 < fall.begins < middle
    assert 1 < fall.diverges < 3


def test_the_slope_by_the_rate_itself_would_be_elsewhere() -> None:
    losses = smooth(curve(3e-3), STEPS)
    by_rate = RATES[int(np.gradient(losses, RATES).argmin())]
    assert by_rate < 2e-3


def test_a_test_that_ended_early_diverges_at_its_last_rate() -> None:
    fall = find_fall(RATES[:80], curve(3e-3)[:80], STEPS)
    assert fall is not None
    assert fall.diverges == RATES[79]


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_loss_that_does_not_fall_has_no_fall(noise: float) -> None:
    flat = (2.3 + noise * np.random.default_rng(1).standard_normal(STEPS)).tolist()
    assert find_fall(RATES, flat, STEPS) is None
    assert find_fall(RATES, np.linspace(2.3, 9, STEPS).tolist(), STEPS) is None
    assert find_fall(RATES[:3], [2.3, 1.0, 0.5], STEPS) is None


def test_the_median_is_that_of_the_logarithms() -> None:
    falls = [Fall(1e-4, 1e-3, 1e-1), Fall(1e-2, 1e-1, 1e1)]
    middle = median_fall(falls)
    assert (middle.begins, middle.steepest, middle.diverges) == pytest.approx((1e-3, 1e-2, 1.0))


def test_smoothing_keeps_a_constant_and_the_length() -> None:
    assert smooth([2.0] * 30, STEPS) == pytest.approx([2.0] * 30)
