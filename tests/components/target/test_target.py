import math

import pytest

from fastrun.components.target.target import Target
from fastrun.config.monitor import Monitor


@pytest.mark.parametrize(
    ("metric", "value", "is_reached"),
    [
        ("val/acc", 0.94, True),
        ("val/acc", 0.95, True),
        ("val/acc", 0.93, False),
        ("val/loss", 0.94, True),
        ("val/loss", 0.93, True),
        ("val/loss", 0.95, False),
        ("val/acc", math.nan, False),
    ],
)
def test_a_target_is_reached_at_its_value_or_past_it(metric: str, value: float, is_reached: bool) -> None:
    assert Target(Monitor.of(metric), 0.94, stop=True).is_reached(value) is is_reached
