"""The steps of a run at which epochs end, and at which it validates and saves."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.config.plan import Plan

plans = st.builds(
    Plan,
    steps_per_epoch=st.integers(1, 30),
    total_steps=st.integers(1, 120),
    val_every=st.integers(1, 50),
    save_every=st.integers(0, 50),
)


def calls(plan: Plan, start: int, counts) -> list[range]:
    """Return the steps of each call of a run from ``start`` on, which would take the next of ``counts`` steps."""
    ranges, step = [], start
    while step < plan.total_steps:
        stop = plan.stop_of(step, next(counts))
        assert stop > step
        ranges.append(range(step, stop))
        step = stop
    return ranges


@settings(deadline=None)
@given(plans, st.data())
def test_calls_cover_each_step_once_and_never_cross_a_mark(plan, data):
    start = data.draw(st.integers(0, plan.total_steps))
    counts = iter(lambda: data.draw(st.integers(1, 64)), None)
    ranges = calls(plan, start, counts)
    assert [step for call in ranges for step in call] == list(range(start, plan.total_steps))
    for call in ranges:
        inside = range(call.start + 1, call.stop)
        assert not any(plan.validates(step) or plan.saves(step) or plan.ends_epoch(step) for step in inside)


@settings(deadline=None)
@given(plans, st.integers(1, 64), st.data())
def test_a_call_has_the_given_length_unless_it_ends_at_a_mark(plan, count, data):
    start = data.draw(st.integers(0, plan.total_steps - 1))
    stop = plan.stop_of(start, count)
    at_mark = plan.validates(stop) or plan.saves(stop) or plan.ends_epoch(stop)
    assert stop == start + count or (stop < start + count and at_mark)


@settings(deadline=None)
@given(plans, st.integers(0, 120), st.data())
def test_no_call_crosses_the_release_of_a_frozen_body(plan, release, data):
    plan = replace(plan, release=release)
    ranges = calls(plan, 0, iter(lambda: data.draw(st.integers(1, 64)), None))
    assert not any(call.start < release < call.stop for call in ranges)


@settings(deadline=None)
@given(plans)
def test_the_last_step_ends_an_epoch_and_validates_and_saves_unless_nothing_is_saved(plan):
    last = plan.total_steps
    assert plan.ends_epoch(last)
    assert plan.validates(last)
    assert plan.saves(last) == (plan.save_every > 0)


@settings(deadline=None)
@given(plans)
def test_the_number_of_epochs_is_that_of_their_ends(plan):
    assert sum(map(plan.ends_epoch, range(1, plan.total_steps + 1))) == plan.epochs


@pytest.mark.parametrize(
    ("step", "validates", "saves", "ends_epoch"),
    [
        (3, False, False, False),
        (4, True, False, False),
        (6, False, True, False),
        (10, False, False, True),
        (12, True, True, False),
        (25, True, True, True),
    ],
)
def test_marks_are_the_multiples_and_the_end(step, validates, saves, ends_epoch):
    plan = Plan(steps_per_epoch=10, total_steps=25, val_every=4, save_every=6)
    assert (plan.validates(step), plan.saves(step), plan.ends_epoch(step)) == (validates, saves, ends_epoch)
    assert plan.epochs == 3
