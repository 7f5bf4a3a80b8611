import pytest

from fastrun.components.schedule import Cycling, Watching
from fastrun.components.schedule.build import build_curve
from fastrun.components.schedule.cosine import cosine
from fastrun.components.schedule.onecycle import onecycle
from fastrun.components.schedule.plateau import Plateau
from fastrun.components.schedule.warmup import after_warmup
from fastrun.compose import compose
from fastrun.config import registry


def factors(curve, steps: int) -> list[float]:
    return [curve(now) for now in range(steps)]


@pytest.mark.parametrize("warmup", [1, 4, 10])
def test_warmup_rises_evenly_to_the_curves_start_and_then_follows_it(warmup):
    curve = cosine(20)
    warmed = after_warmup(curve, warmup)
    assert factors(warmed, warmup + 1) == pytest.approx([(now + 1) / (warmup + 1) for now in range(warmup + 1)])
    assert [warmed(warmup + now) for now in range(20)] == factors(curve, 20)


def test_warmup_rises_to_the_start_of_a_curve_that_starts_low():
    warmed = after_warmup(onecycle(10, start=0.04), 3)
    assert factors(warmed, 4) == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_no_warmup_is_the_curve_itself():
    curve = cosine(5)
    assert after_warmup(curve, 0) is curve


@pytest.mark.sampled
@pytest.mark.parametrize("option", list(registry.options("schedule")))
def test_warmup_works_for_every_schedule(option):
    def curve(warmup: int, total: int):
        in_steps = {
            "multistep": [f"schedule.milestones=[{warmup + 30},{warmup + 60}]"],  # counted from the run's first step
            "onecycle": ["schedule.rise=30"],
            "triangular": ["schedule.rise=30"],
            "wsd": ["schedule.decay=30"],
        }
        overrides = [f"schedule={option}", f"schedule.warmup={warmup}", *in_steps.get(option, [])]
        return build_curve(compose(overrides).schedule, steps_per_epoch=10, total_steps=total)

    warmed, plain = curve(20, 120), curve(0, 100)
    assert factors(warmed, 20) == pytest.approx([plain(0) * (now + 1) / 21 for now in range(20)])
    assert factors(warmed, 120)[20:] == factors(plain, 100)


def test_momentum_waits_at_its_start_during_the_warmup_and_then_cycles():
    curve = onecycle(20, momentum=(0.85, 0.95))
    warmed = after_warmup(curve, 5)
    assert isinstance(warmed, Cycling)
    assert not isinstance(warmed, Watching)
    assert [warmed.momentum(now) for now in range(5)] == [curve.momentum(0)] * 5
    assert [warmed.momentum(5 + now) for now in range(20)] == [curve.momentum(now) for now in range(20)]
    assert min(curve.momentum(now) for now in range(20)) == pytest.approx(0.85)


def test_a_curve_that_watches_still_does_after_a_warmup_and_its_state_is_one():
    warmed = after_warmup(Plateau(factor=0.5, patience=0), 3)
    assert isinstance(warmed, Watching)
    assert not isinstance(warmed, Cycling)
    warmed.judge(1.0, True)
    warmed.judge(1.0, True)
    assert factors(warmed, 5) == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])
    again = after_warmup(Plateau(factor=0.5, patience=0), 3)
    again.load(warmed.state())
    assert factors(again, 5) == factors(warmed, 5)


def test_a_curve_that_only_gives_factors_gains_nothing():
    warmed = after_warmup(cosine(10), 3)
    assert not isinstance(warmed, Cycling)
    assert not isinstance(warmed, Watching)
