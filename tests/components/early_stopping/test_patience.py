import json
import math

import pytest

from fastrun.components.early_stopping.patience import Patience
from fastrun.config.monitor import Monitor

ACC, LOSS = Monitor.of("val/acc"), Monitor.of("val/loss")


def results(patience: Patience, values: list[float]) -> list[bool]:
    return [patience.update(value) for value in values]


@pytest.mark.parametrize(
    ("monitor", "patience", "min_delta", "values", "stops"),
    [
        (ACC, 2, 0.0, [0.5, 0.5, 0.4], [False, False, True]),
        (ACC, 2, 0.0, [0.5, 0.4, 0.6, 0.6, 0.6], [False, False, False, False, True]),  # an improvement starts anew
        (ACC, 1, 0.1, [0.5, 0.55], [False, True]),  # not enough of an improvement
        (ACC, 1, 0.1, [0.5, 0.65], [False, False]),
        (LOSS, 1, 0.0, [0.5, 0.4, 0.45], [False, False, True]),
        (ACC, 2, 0.0, [0.5, math.nan, math.nan], [False, False, True]),
    ],
)
def test_it_is_over_after_as_many_validations_without_an_improvement(monitor, patience, min_delta, values, stops):
    assert results(Patience(monitor, patience, min_delta), values) == stops


def test_a_drift_of_small_gains_is_measured_against_the_best_and_not_the_last():
    assert results(Patience(ACC, 3, 0.1), [0.5, 0.56, 0.62, 0.68]) == [False, False, False, False]
    assert results(Patience(ACC, 2, 0.1), [0.5, 0.54, 0.58]) == [False, False, True]


def test_it_goes_on_from_a_checkpoint_as_if_it_had_not_stopped():
    whole, first, second = (Patience(LOSS, 3, 0.0) for _ in range(3))
    values = [0.9, 0.8, 0.85, 0.85, 0.85, 0.7]
    expected = results(whole, values)
    before = results(first, values[:3])
    second.load(json.loads(json.dumps(first.state())))
    assert before + results(second, values[3:]) == expected
    assert (second.best, second.waited) == (whole.best, whole.waited)
