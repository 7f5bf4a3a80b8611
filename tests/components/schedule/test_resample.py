"""A curve that is gone through in another number of steps is the same curve."""

from __future__ import annotations

import pytest

from fastrun.components.schedule import Cycling, Watching
from fastrun.components.schedule.build import build_curve
from fastrun.components.schedule.onecycle import onecycle
from fastrun.components.schedule.plateau import Plateau
from fastrun.components.schedule.resample import resampled


def test_a_curve_of_as_many_steps_is_the_curve_itself():
    curve = onecycle(30)
    assert resampled(curve, 30, 30) is curve


@pytest.mark.parametrize("steps", [1, 2, 40, 300])
def test_it_goes_from_the_first_to_the_last_factor_through_the_warmup(steps):
    config = {"_target_": "linear", "final": 0.1, "warmup": 100}
    curve = build_curve(config, steps_per_epoch=50, total_steps=1000)
    short = resampled(curve, 1000, steps)
    assert short(0) == curve(0)
    assert short(steps - 1) == curve(999 if steps > 1 else 0)
    assert short(steps // 2) == pytest.approx(curve(min(999, steps // 2 * 999 // max(1, steps - 1))), abs=0.01)


def test_momentum_and_reactions_to_validations_stay():
    cycled = resampled(onecycle(100, momentum=(0.8, 0.9)), 100, 11)
    assert isinstance(cycled, Cycling)
    assert [cycled.momentum(0), cycled.momentum(3), cycled.momentum(10)] == pytest.approx([0.9, 0.8, 0.9], abs=1e-3)
    watching = resampled(Plateau(patience=0), 100, 10)
    assert isinstance(watching, Watching)
    watching.judge(1.0, higher_is_better=False)
    watching.judge(2.0, higher_is_better=False)
    assert watching(9) == pytest.approx(0.1)
    assert not isinstance(resampled(onecycle(100), 100, 10), (Cycling, Watching))
