import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from fastrun.errors import ConfigError
from fastrun.schedule.constant import constant
from fastrun.schedule.cosine import cosine
from fastrun.schedule.cyclic import cyclic
from fastrun.schedule.exponential import exponential
from fastrun.schedule.onecycle import onecycle
from fastrun.schedule.step import step
from fastrun.schedule.triangular import triangular
from fastrun.schedule.warm_restarts import warm_restarts
from fastrun.schedule.warmup import after_warmup

RATE = 0.5
SHARES = st.floats(0, 1)
CURVES = {
    "constant": st.builds(lambda: constant),
    "cosine": st.builds(lambda final: lambda n: cosine(n, final), SHARES),
    "exponential": st.builds(lambda final: lambda n: exponential(n, final), st.floats(1e-6, 1)),
    "step": st.builds(lambda drops, gamma: lambda n: step(n, drops, gamma), st.integers(1, 9), SHARES),
    "cyclic": st.builds(
        lambda cycles, low, decay: lambda n: cyclic(n, cycles, low, decay), st.integers(1, 9), SHARES, SHARES
    ),
    "onecycle": st.builds(
        lambda rise, start, final: lambda n: onecycle(n, rise, start, final),
        st.floats(0, 1, exclude_max=True), SHARES, SHARES,
    ),
    "warm_restarts": st.builds(
        lambda cycles, multiply, final: lambda n: warm_restarts(n, cycles, multiply, final),
        st.integers(1, 9), st.integers(1, 4), SHARES,
    ),
    "triangular": st.builds(
        lambda start, rise, final: lambda n: triangular(n, start, rise, final),
        SHARES, st.floats(0, 1, exclude_max=True), SHARES,
    ),
}  # fmt: skip


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


@pytest.mark.parametrize("drops", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("extra", [1, 2, 4, 7, 50])
def test_step_drops_as_often_as_it_says_in_a_run_of_any_length(drops, extra):
    steps = drops + extra
    curve = step(steps, drops)
    assert sum(curve(now) < curve(now - 1) for now in range(1, steps)) == drops


@pytest.mark.parametrize("steps", [1, 2, 10, 97])
@pytest.mark.parametrize("final", [0.01, 0.5, 1.0])
def test_exponential_is_torchs_and_ends_where_it_says(steps, final):
    curve = exponential(steps, final)
    assert_same(curve, steps, lambda o: lr_scheduler.ExponentialLR(o, final ** (1 / steps)))
    assert curve(steps) == pytest.approx(final)


@pytest.mark.parametrize("steps", [1, 2, 10, 97])
@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_is_torchs(steps, final):
    assert_same(cosine(steps, final), steps, lambda o: lr_scheduler.CosineAnnealingLR(o, steps, RATE * final))


@pytest.mark.parametrize(("steps", "cycles", "multiply"), [(12, 3, 1), (70, 3, 2), (13, 3, 3), (97, 1, 2)])
@pytest.mark.parametrize("final", [0.0, 0.1])
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


@pytest.mark.parametrize(("steps", "cycles"), [(8, 2), (40, 4), (30, 4), (97, 1), (10, 3)])
@pytest.mark.parametrize(("decay", "mode"), [(1.0, "triangular"), (0.5, "triangular2")])
def test_cyclic_is_torchs(steps, cycles, decay, mode):
    half = steps / cycles / 2
    assert_same(
        cyclic(steps, cycles, 0.1, decay),
        steps,
        lambda o: lr_scheduler.CyclicLR(o, 0.1 * RATE, RATE, half, half, mode, cycle_momentum=False),
    )


@pytest.mark.parametrize("steps", [4, 5, 10, 37, 200])
@pytest.mark.parametrize(("rise", "start", "final"), [(0.3, 0.04, 4e-6), (0.5, 0.1, 0.01)])
def test_onecycle_is_torchs(steps, rise, start, final):
    assert_same(
        onecycle(steps, rise, start, final),
        steps,
        lambda o: lr_scheduler.OneCycleLR(
            o, RATE, steps, pct_start=rise, div_factor=1 / start, final_div_factor=start / final, cycle_momentum=False
        ),
    )


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


@pytest.mark.parametrize("name", CURVES)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_curve_is_a_finite_share_of_the_rate_at_each_step_of_any_run(name, data):
    steps = data.draw(st.integers(1, 400))
    warmup = data.draw(st.integers(0, 20))
    curve = after_warmup(data.draw(CURVES[name])(steps), warmup)
    for factor in factors(curve, warmup + steps):
        assert math.isfinite(factor)
        assert -1e-9 <= factor <= 1 + 1e-9


@pytest.mark.parametrize("name", CURVES)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_curve_depends_on_the_step_alone_so_that_a_run_resumes_anywhere(name, data):
    steps = data.draw(st.integers(1, 50))
    curve = data.draw(CURVES[name])(steps)
    now = data.draw(st.integers(0, steps - 1))
    alone = curve(now)
    assert factors(curve, steps)[now] == alone == curve(now)


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


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: step(10, drops=0), "drops"),
        (lambda: exponential(10, final=0.0), "final"),
        (lambda: exponential(10, final=1.5), "final"),
        (lambda: cyclic(10, cycles=0), "cycles"),
        (lambda: warm_restarts(10, cycles=0), "cycles"),
        (lambda: warm_restarts(10, multiply=0), "multiply"),
        (lambda: onecycle(10, rise=1.0), "rise"),
        (lambda: onecycle(10, rise=-0.1), "rise"),
        (lambda: triangular(10, rise=1.0), "rise"),
        (lambda: triangular(10, start=-0.1), "start"),
        (lambda: triangular(10, final=1.1), "final"),
    ],
)
def test_a_value_that_makes_no_curve_is_refused_with_its_key(make, key):
    with pytest.raises(ConfigError, match=rf"schedule\.{key}="):
        make()
