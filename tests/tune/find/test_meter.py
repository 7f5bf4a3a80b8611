"""The steps are counted, and the time that a search may take ends it."""

from __future__ import annotations

import pytest

from fastrun.errors import UsageError
from fastrun.tune.find.meter import Meter


def test_the_progress_is_told_of_each_step() -> None:
    told: list[tuple[str, int, int]] = []
    meter = Meter(lambda *progress: told.append(progress))
    meter.expect(3)
    meter.begin("one")
    meter.step()
    meter.expect(-1)
    meter.begin("two")
    meter.step()
    assert told == [("one", 1, 3), ("two", 2, 2)]


def test_a_search_ends_where_its_time_is_over() -> None:
    now = [0.0]
    meter = Meter(seconds=5, clock=lambda: now[0])
    meter.expect(10)
    meter.step(4)
    now[0] = 5.1
    with pytest.raises(UsageError, match="5 seconds are over after 5 of about 10 steps"):
        meter.step()
