"""The nan guard by itself: what it flags, what it raises, and what it makes of the flags when they are read."""

from __future__ import annotations

import math

import pytest
import torch

from fastrun.components.on_divergence.nan_guard import NanGuard, can_raise_at_once
from fastrun.errors import Diverged

CPU = torch.device("cpu")
GOOD = torch.tensor(1.0)
KERNEL = "_amp_foreach_non_finite_check_and_unscale_"


@pytest.fixture(params=["with torch's kernel", "without it"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without it":
        monkeypatch.delattr(torch, KERNEL)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_value_that_is_not_finite_is_raised_with_its_step(kernel, bad: float, where: str) -> None:
    nan_guard, gradients = NanGuard(CPU, at_once=True), [torch.ones(3, 3), torch.ones(2, dtype=torch.float64)]
    loss = torch.tensor(bad) if where == "loss" else GOOD
    if where == "gradient":
        gradients.append(torch.tensor([1.0, bad]))
    with pytest.raises(Diverged, match=r"at step 5\b") as caught:
        nan_guard.check(4, loss, gradients)
    assert caught.value.step == 5


def test_the_largest_finite_values_are_good_and_stay_as_they_are(kernel) -> None:
    nan_guard, gradient = NanGuard(CPU, at_once=True), torch.full((100,), torch.finfo(torch.float32).max)
    nan_guard.check(0, GOOD, [gradient])
    assert nan_guard.found_inf == 0
    assert gradient.eq(torch.finfo(torch.float32).max).all()


def test_without_raising_at_once_the_flag_stays_set_and_bad_steps_are_counted(kernel) -> None:
    nan_guard = NanGuard(CPU, at_once=False)
    for step, value in enumerate([1.0, math.nan, 1.0, 1.0]):
        nan_guard.check(step, GOOD, [torch.tensor([value])])
    assert nan_guard.found_inf == 1
    assert nan_guard.flags([torch.ones(2)]).tolist() == [3, 0]  # the bad step and those after it
    assert nan_guard.flags([torch.ones(2), torch.tensor([math.inf])]).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("losses", "bad_steps", "bad_state", "good", "message"),
    [
        ([1.0, 2.0, 3.0], 0, 0, 3, None),
        ([1.0, 2.0, 3.0], 1, 0, 2, "a gradient is not finite at step 10, where the loss is 3"),
        ([1.0, math.nan, 3.0], 0, 0, 1, "the loss is nan at step 9"),
        ([1.0, 2.0, 3.0], 0.5, 0, 2, "a gradient is not finite at step 10"),  # in one of two processes
        ([1.0, 2.0, 3.0], 0, 0.5, 3, "weights or running statistics are not finite after step 10"),
        ([1.0, 2.0, 3.0], 5, 0, 0, "a gradient is not finite at step 8"),  # bad already at the last reading
    ],
)
def test_flags_become_the_good_steps_and_an_error(losses, bad_steps, bad_state, good, message) -> None:
    steps, error = NanGuard(CPU, at_once=False).judge(10, losses, bad_steps, bad_state)
    assert steps == good
    assert (error is None) if message is None else (message in str(error))


def test_only_a_single_process_on_a_cpu_raises_at_once() -> None:
    assert can_raise_at_once(CPU, 1)
    assert not can_raise_at_once(CPU, 2)
    assert not can_raise_at_once(torch.device("cuda"), 1)
