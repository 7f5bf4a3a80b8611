"""Durations in steps, epochs, shares of a run, minutes and seconds."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.config.duration import to_minutes, to_seconds, to_steps
from fastrun.errors import ConfigError

counts = st.integers(1, 10**6)


def steps(duration: str, per_epoch: int = 40, total: int = 200) -> int:
    return to_steps(duration, steps_per_epoch=per_epoch, total_steps=total, key="val_every")


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("500", 500),
        ("500st", 500),
        ("0", 0),
        ("2ep", 80),
        ("0.5ep", 20),
        ("2 ep", 80),
        (" 2ep ", 80),
        ("5%", 10),
        ("12.5%", 25),
        ("100%", 200),
        ("250%", 500),
    ],
)
def test_a_duration_is_read_in_its_unit(duration, expected):
    assert steps(duration) == expected


@pytest.mark.parametrize(
    "duration", ["", "ep", "%", "-5", "1.5", "1.5st", "1e3", "2epochs", "5 % of it", "ten", "1,000", "."]
)
def test_a_text_that_is_not_a_duration_is_refused_with_its_key_and_an_example(duration):
    with pytest.raises(ConfigError, match="val_every=") as caught:
        steps(duration)
    assert caught.value.exit_code == 2
    assert "2ep" in caught.value.hint


@settings(deadline=None)
@given(st.integers(0, 10**9), counts, counts)
def test_plain_numbers_are_steps_whatever_the_run_is(count, per_epoch, total):
    assert steps(str(count), per_epoch, total) == steps(f"{count}st", per_epoch, total) == count


@settings(deadline=None)
@given(st.integers(0, 1000), counts, counts)
def test_whole_epochs_are_multiples_of_an_epoch(epochs, per_epoch, total):
    assert steps(f"{epochs}ep", per_epoch, total) == epochs * per_epoch


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(0, 100), counts)
def test_a_larger_share_is_never_fewer_steps_and_never_past_the_run(share, other, total):
    low, high = sorted((share, other))
    assert 0 <= steps(f"{low}%", total=total) <= steps(f"{high}%", total=total) <= total


@settings(deadline=None)
@given(st.text(max_size=8))
def test_any_text_is_a_number_of_steps_or_a_config_error(text):
    with suppress(ConfigError):
        assert steps(text) >= 0


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("10min", 10.0),
        ("0.5min", 0.5),
        (" 2 min ", 2.0),
        ("0min", 0.0),
        ("10", None),
        ("10m", None),
        ("2ep", None),
        ("min", None),
    ],
)
def test_minutes_are_recognized_among_durations(duration, expected):
    assert to_minutes(duration) == expected


@pytest.mark.parametrize(("duration", "expected"), [("90s", 90.0), ("1.5min", 90.0), (" 2 h ", 7200.0)])
def test_a_time_is_read_in_seconds(duration, expected):
    assert to_seconds(duration, "sweep.timeout") == expected


@pytest.mark.parametrize("duration", ["", "90", "0s", "soon", "-1s", "1d", "1h30min"])
def test_a_text_that_is_not_a_time_is_refused_with_its_key(duration):
    with pytest.raises(ConfigError, match=r"^sweep\.timeout="):
        to_seconds(duration, "sweep.timeout")
