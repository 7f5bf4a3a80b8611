import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.schedule.constant import constant
from fastrun.components.schedule.cosine import cosine
from fastrun.components.schedule.cyclic import cyclic
from fastrun.components.schedule.exponential import exponential
from fastrun.components.schedule.linear import linear
from fastrun.components.schedule.multistep import multistep
from fastrun.components.schedule.onecycle import onecycle
from fastrun.components.schedule.plateau import Plateau
from fastrun.components.schedule.polynomial import polynomial
from fastrun.components.schedule.step import step
from fastrun.components.schedule.triangular import triangular
from fastrun.components.schedule.warm_restarts import warm_restarts
from fastrun.components.schedule.warmup import after_warmup
from fastrun.components.schedule.wsd import wsd
from fastrun.errors import ConfigError

SHARES = st.floats(0, 1)
INNER = st.floats(0, 1, exclude_min=True, exclude_max=True)
SHAPES = ("linear", "cosine", "1-sqrt")
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
    "linear": st.builds(lambda final: lambda n: linear(n, final), SHARES),
    "polynomial": st.builds(lambda power, final: lambda n: polynomial(n, power, final), st.floats(1e-3, 100), SHARES),
    "multistep": st.builds(
        lambda milestones, gamma: lambda n: multistep(n, tuple(sorted(milestones)), gamma),
        st.sets(INNER, min_size=1, max_size=5), SHARES,
    ),
    "wsd": st.builds(
        lambda decay, shape, final: lambda n: wsd(n, decay, shape, final),
        st.floats(0, 1, exclude_min=True), st.sampled_from(SHAPES), SHARES,
    ),
}  # fmt: skip


def factors(curve, steps: int) -> list[float]:
    return [curve(now) for now in range(steps)]


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


@settings(deadline=None)
@given(st.lists(st.floats()), st.booleans(), st.floats(0, 1, exclude_max=True), st.integers(0, 3), SHARES)
def test_plateau_is_a_share_of_the_rate_that_never_rises(values, higher_is_better, factor, patience, least):
    curve, last = Plateau(factor, patience, 0.0, least), 1.0
    for value in values:
        curve.judge(value, higher_is_better)
        assert least <= curve(0) <= last
        last = curve(0)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: onecycle(10, rise=1.0), "rise"),
        (lambda: onecycle(10, rise=-0.1), "rise"),
        (lambda: triangular(10, rise=1.0), "rise"),
        (lambda: multistep(10, ()), "milestones"),
        (lambda: multistep(10, (0.5, 0.5)), "milestones"),
        (lambda: multistep(10, (0.6, 0.3)), "milestones"),
        (lambda: multistep(10, (0.0, 0.3)), "milestones"),
        (lambda: multistep(10, (0.5, 1.0)), "milestones"),
        (lambda: wsd(10, decay=0.0), "decay"),
        (lambda: wsd(10, decay=1.5), "decay"),
        (lambda: onecycle(10, momentum=(0.95, 0.85)), "momentum"),
    ],
)
def test_a_value_that_makes_no_curve_is_refused_with_its_key(make, key):
    with pytest.raises(ConfigError, match=rf"schedule\.{key}=") as caught:
        make()
    assert len(caught.value.render().splitlines()) <= 2
