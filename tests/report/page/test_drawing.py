"""Curves are thinned without losing a peak, and axes have round marks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastrun.report.page.axis import fit_axis, linear_axis, log_axis
from fastrun.report.page.curve_chart import to_path
from fastrun.report.page.forest import draw_forest
from fastrun.report.page.number_format import enumerate_words, number, p_value, percent, plural, ratio, seconds
from fastrun.report.page.series import Series, read_series
from fastrun.report.page.study_files import VerdictRow
from fastrun.report.page.thin import thin


def test_thinning_keeps_the_lowest_and_highest_of_every_column() -> None:
    generator = np.random.default_rng(0)
    x, y = np.sort(generator.uniform(0, 10, 5000)), generator.normal(size=5000)
    xs, ys = thin(x, y, 50)
    assert len(xs) <= 102
    assert (np.diff(xs) >= 0).all()
    assert xs[0] == x[0]
    assert xs[-1] == x[-1]
    column = np.minimum(((x - x[0]) / (x[-1] - x[0]) * 50).astype(int), 49)
    thinned = np.minimum(((xs - x[0]) / (x[-1] - x[0]) * 50).astype(int), 49)
    for index in range(50):
        assert ys[thinned == index].min() == y[column == index].min()
        assert ys[thinned == index].max() == y[column == index].max()


def test_thinning_leaves_a_gap_where_no_value_is_finite() -> None:
    x, y = np.arange(1000.0), np.ones(1000)
    y[300:600] = np.nan
    xs, ys = thin(x, y, 10)
    assert np.isnan(ys[(xs > 310) & (xs < 590)]).all()
    assert (ys[(xs < 290) | (xs > 610)] == 1).all()


def test_few_points_stay_as_they_are() -> None:
    x = y = np.arange(10.0)
    assert thin(x, y, 10)[0] is x
    same = np.ones(100)
    assert len(thin(same, same, 10)[0]) == 100  # no column is wider than another


def test_of_a_long_run_some_steps_and_all_validations_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with path.open("w") as file:
        for step in range(1, 5001):
            file.write(json.dumps({"step": step, "train_seconds": step / 100, "train/loss": 1.0 / step}) + "\n")
            if step % 50 == 0:
                file.write(json.dumps({"step": step, "train_seconds": step / 100, "val/acc": step / 5000}) + "\n")
        file.write('{"step": 5001, "val/acc": 0.')
    series = read_series(path, most=400)
    assert series["val/acc"].steps.tolist() == list(range(50, 5001, 50))
    loss = series["train/loss"]
    assert 300 <= len(loss.steps) <= 402
    assert np.diff(loss.steps).max() < 40
    assert (loss.values == 1 / loss.steps).all()
    assert len(read_series(path, most=10_000)["train/loss"].steps) == 5000
    assert list(read_series(path, ["val/acc"])) == ["val/acc"]
    assert read_series(tmp_path / "none") == {}


def test_a_smoothed_curve_is_the_mean_of_what_is_finite_around() -> None:
    values = np.ones(1000)
    values[10:20] = np.nan
    values[500] = 18.0
    mean = Series("loss", np.arange(1000.0), np.arange(1000.0), values).smoothed().values
    assert mean[500] == pytest.approx(2.0)  # of 17 values
    assert mean[0] == mean[12] == mean[999] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 20000, ["0", "5k", "10k", "15k", "20k"]),
        (-3, 3, ["-2", "0", "2"]),
        (7, 7, ["4", "6", "8", "10"]),
        (0.9412, 0.9571, ["0.945", "0.950", "0.955"]),
    ],
)
def test_marks_are_round(low: float, high: float, labels: list[str]) -> None:
    axis = linear_axis(low, high)
    assert [tick.label for tick in axis.ticks] == labels
    assert all(0 <= tick.at <= 1 for tick in axis.ticks)


def test_a_logarithmic_axis_is_chosen_where_values_span_much() -> None:
    axis = fit_axis(np.array([0.001, 0.1, np.nan, 5.0]), may_be_log=True)
    assert axis.is_log
    assert [tick.label for tick in axis.ticks] == ["0.001", "0.01", "0.1", "1"]
    assert not fit_axis(np.array([0.0, 0.1, 5.0]), may_be_log=True).is_log
    assert not fit_axis(np.array([1.0, 2.0]), may_be_log=True).is_log
    assert [tick.label for tick in log_axis(0.9, 6).ticks] == ["1", "2", "5"]
    assert [tick.label for tick in log_axis(1e-9, 1e14).ticks] == ["1e-9", "1e-5", "0.1", "1000", "10M", "1e11"]
    assert axis.place_one(axis.low) == 0
    assert np.isnan(axis.place_one(-1.0))


@pytest.mark.parametrize(
    ("low", "high", "ends"), [(0.76, 1.76, {"0.67", "2"}), (0.999, 1.001, {"0.9", "1.1"}), (0.001, 90, {"0.05", "20"})]
)
def test_a_forest_has_marks_beyond_every_bar(low: float, high: float, ends: set[str]) -> None:
    forest = draw_forest([VerdictRow("norm", "without", "full - norm", "full", "faster", 1.0, low, high)], 0.02)
    assert ends | {"1"} <= {tick.label for tick in forest.axis.ticks}
    assert all(0 <= tick.at <= 1 for tick in forest.axis.ticks)
    assert forest.rows[0].is_open_left == (low < 0.05)
    assert forest.rows[0].is_open_right == (high > 20)


def test_a_path_is_relative_and_has_gaps() -> None:
    path = to_path(np.array([0.0, 10, 20, 30, 40, 50]), np.array([5.0, 3, 4, np.nan, 7, 6]))
    assert path == "m0 5l10-2 10 1m20 3l10-1"
    assert to_path(np.array([1.0]), np.array([np.nan])) == ""


def test_numbers_are_written_for_people() -> None:
    assert [number(value) for value in (None, 3, 12345.678, 0.98765, float("nan"), True, "x")] == [
        "–", "3", "12,346", "0.9877", "not finite", "True", "x",
    ]  # fmt: skip
    written = [seconds(value) for value in (None, 0, 0.0004, 0.0432, 12.34, 200, 7500)]
    assert written == ["–", "0 s", "0.4 ms", "0.0432 s", "12.3 s", "3 min 20 s", "2 h 05 min"]
    assert [percent(0.125), ratio(1.9), ratio(12.34), p_value(0.0001), p_value(0.0234)] == [
        "12.5 %", "1.90", "12.3", "< 0.001", "0.023",
    ]  # fmt: skip
    assert [plural(1, "run"), plural(1200, "run")] == ["1 run", "1,200 runs"]
    assert [enumerate_words(list(text)) for text in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
