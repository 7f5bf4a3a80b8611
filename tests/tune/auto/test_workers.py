"""How many workers are chosen, with rates that are given."""

import pytest

from fastrun.tune.auto.workers import best, candidates, choose_workers


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_the_numbers_that_are_tried(cores: int, counts: list[int]) -> None:
    assert candidates(cores) == counts


@pytest.mark.parametrize(
    ("rates", "tried", "chosen"),
    [
        ({1: 10.0, 2: 20.0, 4: 30.0, 8: 30.5}, [1, 2, 4, 8], 4),
        ({1: 10.0, 2: 10.2, 4: 99.0}, [1, 2], 1),  # the training is as fast as it can be
        ({1: 10.0, 2: 8.0, 4: 99.0}, [1, 2], 1),
    ],
)
def test_more_workers_must_bring_something(rates: dict[int, float], tried: list[int], chosen: int) -> None:
    measured = choose_workers(list(rates), rates.__getitem__, lambda: 1.0)
    assert list(measured) == tried
    assert best(measured) == chosen


def test_one_number_is_measured_even_without_time() -> None:
    assert choose_workers([1, 2], lambda count: 1.0, lambda: 0.0) == {1: 1.0}
