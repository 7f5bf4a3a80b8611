import math

import pytest
import torch
from torch.optim import lr_scheduler

from fastrun.components.schedule import Cycling
from fastrun.components.schedule.constant import constant
from fastrun.components.schedule.cosine import cosine
from fastrun.components.schedule.cyclic import cyclic
from fastrun.components.schedule.exponential import exponential
from fastrun.components.schedule.linear import linear
from fastrun.components.schedule.multistep import multistep
from fastrun.components.schedule.onecycle import onecycle
from fastrun.components.schedule.polynomial import polynomial
from fastrun.components.schedule.step import step
from fastrun.components.schedule.triangular import triangular
from fastrun.components.schedule.warm_restarts import warm_restarts
from fastrun.components.schedule.wsd import wsd

RATE = 0.5


def factors(curve, steps: int) -> list[float]:
    return [curve(now) for now in range(steps)]


def of_torch(steps: int, make) -> list[float]:
    """The factors that a scheduler of torch gives the rate in each step of a run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for now in range(steps):
        rates.append(optimizer.param_groups[0]["lr"] / RATE)
        optimizer.step()
        if now + 1 < steps:
            scheduler.step()
    return rates


def assert_same(curve, steps: int, make) -> None:
    assert factors(curve, steps) == pytest.approx(of_torch(steps, make), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("steps", "drops", "gamma"), [(30, 2, 0.1), (3, 2, 0.1), (100, 4, 0.5), (7, 6, 0.9), (10, 1, 0.3)]
)
def test_step_is_torchs_where_the_run_divides_evenly(steps, drops, gamma):
    size = steps // (drops + 1)
    assert_same(step(steps, drops, gamma), steps, lambda o: lr_scheduler.StepLR(o, size, gamma))


@pytest.mark.parametrize(("drops", "extra"), [(1, 1), (2, 7), (3, 2), (5, 4), (9, 1), (9, 50)])
def test_step_drops_as_often_as_it_says_in_a_run_of_any_length(drops, extra):
    steps = drops + extra
    curve = step(steps, drops)
    assert sum(curve(now) < curve(now - 1) for now in range(1, steps)) == drops


@pytest.mark.parametrize(("steps", "final"), [(1, 0.5), (2, 0.01), (10, 1.0), (97, 0.01), (97, 0.5)])
def test_exponential_is_torchs_and_ends_where_it_says(steps, final):
    curve = exponential(steps, final)
    assert_same(curve, steps, lambda o: lr_scheduler.ExponentialLR(o, final ** (1 / steps)))
    assert curve(steps) == pytest.approx(final)


@pytest.mark.parametrize(("steps", "final"), [(1, 0.0), (2, 0.1), (10, 0.0), (97, 0.1)])
def test_cosine_is_torchs(steps, final):
    assert_same(cosine(steps, final), steps, lambda o: lr_scheduler.CosineAnnealingLR(o, steps, RATE * final))


@pytest.mark.parametrize(
    ("steps", "cycles", "multiply", "final"), [(12, 3, 1, 0.0), (70, 3, 2, 0.1), (13, 3, 3, 0.0), (97, 1, 2, 0.1)]
)
def test_warm_restarts_are_torchs_where_the_run_divides_evenly(steps, cycles, multiply, final):
    first = steps // sum(multiply**cycle for cycle in range(cycles))
    assert_same(
        warm_restarts(steps, cycles, multiply, final),
        steps,
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, multiply, RATE * final),
    )


@pytest.mark.parametrize(("steps", "cycles"), [(10, 3), (100, 7), (11, 2)])
def test_warm_restarts_fit_any_run_and_start_as_often_as_they_say(steps, cycles):
    curve = warm_restarts(steps, cycles, 1)
    assert factors(curve, steps).count(1.0) == cycles
    assert curve(steps) == 0.0
    assert curve(steps - 1) < 0.5


@pytest.mark.parametrize(
    ("steps", "cycles", "decay", "mode"),
    [
        (8, 2, 1.0, "triangular"),
        (30, 4, 1.0, "triangular"),
        (40, 4, 0.5, "triangular2"),
        (97, 1, 0.5, "triangular2"),
        (10, 3, 0.5, "triangular2"),
    ],
)
def test_cyclic_is_torchs(steps, cycles, decay, mode):
    half = steps / cycles / 2
    assert_same(
        cyclic(steps, cycles, 0.1, decay),
        steps,
        lambda o: lr_scheduler.CyclicLR(o, 0.1 * RATE, RATE, half, half, mode, cycle_momentum=False),
    )


@pytest.mark.parametrize(
    ("steps", "rise", "start", "final"),
    [(4, 0.3, 0.04, 4e-6), (5, 0.5, 0.1, 0.01), (10, 0.5, 0.1, 0.01), (37, 0.3, 0.04, 4e-6), (200, 0.5, 0.1, 0.01)],
)
def test_onecycle_is_torchs(steps, rise, start, final):
    assert_same(
        onecycle(steps, rise, start, final),
        steps,
        lambda o: lr_scheduler.OneCycleLR(
            o, RATE, steps, pct_start=rise, div_factor=1 / start, final_div_factor=start / final, cycle_momentum=False
        ),
    )


@pytest.mark.parametrize(
    ("steps", "kind"), [(4, torch.optim.Adam), (5, torch.optim.SGD), (37, torch.optim.Adam), (200, torch.optim.SGD)]
)
def test_the_momentum_of_onecycle_is_torchs(steps, kind):
    optimizer = kind([torch.nn.Parameter(torch.zeros(1))], **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    scheduler = lr_scheduler.OneCycleLR(optimizer, RATE, steps, base_momentum=0.8, max_momentum=0.97)
    curve = onecycle(steps, momentum=(0.8, 0.97))
    for now in range(steps):
        group = optimizer.param_groups[0]
        assert curve.momentum(now) == pytest.approx(group["momentum"] if "momentum" in group else group["betas"][0])
        assert curve(now) == onecycle(steps)(now)
        optimizer.step()
        if now + 1 < steps:
            scheduler.step()


def test_onecycle_leaves_the_momentum_alone_by_default():
    assert not isinstance(onecycle(10), Cycling)
    assert isinstance(onecycle(10, momentum=(0.85, 0.95)), Cycling)


@pytest.mark.parametrize(("steps", "final"), [(1, 0.0), (2, 0.3), (10, 0.0), (97, 0.3)])
def test_linear_is_torchs_and_loses_no_step(steps, final):
    assert_same(linear(steps, final), steps, lambda o: lr_scheduler.LinearLR(o, 1.0, final, steps))
    assert linear(steps, final)(steps) == pytest.approx(final)


@pytest.mark.parametrize(("steps", "power"), [(1, 2.0), (2, 0.9), (10, 0.5), (97, 1.0), (97, 2.0)])
def test_polynomial_is_torchs(steps, power):
    assert_same(polynomial(steps, power), steps, lambda o: lr_scheduler.PolynomialLR(o, steps, power))


def test_polynomial_ends_at_final():
    curve = polynomial(50, 2.0, 0.1)
    assert factors(curve, 51) == pytest.approx([0.1 + 0.9 * (1 - now / 50) ** 2 for now in range(51)])


@pytest.mark.parametrize(
    ("steps", "marks", "gamma"),
    [(100, [30, 60, 90], 0.5), (97, [1, 96], 0.1), (640, [320, 480], 0.5), (29, [7], 0.1)],
)
def test_multistep_is_torchs(steps, marks, gamma):
    curve = multistep(steps, tuple(mark / steps for mark in marks), gamma)
    assert_same(curve, steps, lambda o: lr_scheduler.MultiStepLR(o, marks, gamma))


@pytest.mark.parametrize(
    ("steps", "decay", "length", "final"),
    [(100, 0.2, 20, 0.0), (97, 0.1, 10, 0.1), (50, 1.0, 50, 0.1), (3, 0.01, 1, 0.0)],
)
@pytest.mark.parametrize(
    ("shape", "falling"),
    [
        ("linear", lambda done: 1 - done),
        ("cosine", lambda done: 0.5 + 0.5 * math.cos(math.pi * done)),
        ("1-sqrt", lambda done: 1 - done**0.5),
    ],
)
def test_wsd_keeps_the_rate_and_then_falls_in_its_shape(steps, decay, length, final, shape, falling):
    stable = [1.0] * (steps - length)
    decayed = [final + (1 - final) * falling(now / length) for now in range(length)]
    curve = wsd(steps, decay, shape, final)
    assert factors(curve, steps) == pytest.approx(stable + decayed)
    assert curve(steps) == pytest.approx(final)


def test_onecycle_without_a_rise_starts_at_the_top():
    curve = onecycle(10, rise=0.0)
    assert curve(0) == 1.0
    assert curve(9) == pytest.approx(4e-6)


@pytest.mark.parametrize("steps", [1, 7, 194, 200])
def test_triangular_without_a_rise_falls_evenly_to_nothing(steps):
    assert factors(triangular(steps, rise=0, final=0), steps) == [1 - now / steps for now in range(steps)]


@pytest.mark.parametrize("steps", [10, 97, 475])
def test_triangular_is_airbenchs(steps):
    curve, top = triangular(steps), int(0.23 * steps)
    up = [0.2 * (1 - now / top) + now / top for now in range(top)]
    down = [1 - now / (steps - top) + 0.07 * now / (steps - top) for now in range(steps - top)]
    assert factors(curve, steps) == pytest.approx(up + down)
    assert (curve(0), curve(top)) == (0.2, 1.0)
    assert curve(steps) == pytest.approx(0.07)


@pytest.mark.parametrize("steps", [1, 50])
def test_constant_is_the_rate_itself(steps):
    assert factors(constant(steps), steps) == [1.0] * steps
