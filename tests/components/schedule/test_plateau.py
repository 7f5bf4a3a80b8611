import json

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from fastrun.components.schedule.plateau import Plateau

VALUES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9, -1.0, float("nan")]), max_size=30)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.integers(0, 4), st.sampled_from([0.0, 0.05, 0.1]), st.sampled_from([0.0, 0.03, 0.5]))
@example([float("nan"), 0.1, 0.2], True, 0, 0.0, 0.0)
def test_plateau_is_torchs(values, higher, patience, min_delta, least):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(
        optimizer, "max" if higher else "min", 0.3, patience, min_delta, "abs", min_lr=least, eps=0.0
    )
    curve = Plateau(0.3, patience, min_delta, least)
    for step, value in enumerate(values):
        assert curve(step) == optimizer.param_groups[0]["lr"]
        curve.judge(value, higher)
        scheduler.step(value)
    assert curve(len(values)) == optimizer.param_groups[0]["lr"]


@settings(deadline=None)
@given(VALUES, VALUES)
def test_a_run_that_goes_on_from_its_state_is_the_run_that_never_stopped(before, after):
    whole, first, second = (Plateau(patience=1) for _ in range(3))
    for value in before:
        whole.judge(value, True)
        first.judge(value, True)
    second.load(json.loads(json.dumps(first.state())))  # plain values alone
    for value in after:
        whole.judge(value, True)
        second.judge(value, True)
        assert second(0) == whole(0)


def test_it_falls_after_more_than_patience_and_waits_as_long_again():
    curve, seen = Plateau(factor=0.1, patience=2, least=0.01), []
    for value in [1.0] * 12:
        curve.judge(value, higher_is_better=False)
        seen.append(curve(0))
    assert seen == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])


def test_what_gains_no_more_than_min_delta_is_no_improvement():
    strict, lenient = Plateau(patience=0, min_delta=0.1), Plateau(patience=0, min_delta=0.0)
    for value in (0.5, 0.55):
        strict.judge(value, higher_is_better=True)
        lenient.judge(value, higher_is_better=True)
    assert (strict(0), lenient(0)) == (pytest.approx(0.1), 1.0)
