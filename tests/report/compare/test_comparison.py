"""What differs between runs, which of them are one row, and the order of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from fastrun.errors import UsageError
from fastrun.report.compare.columns import name_runs
from fastrun.report.compare.comparison import Comparison, compare_runs
from fastrun.report.compare.curves import draw_groups, name_group
from fastrun.report.compare.groups import statistics_of
from fastrun.report.compare.selection import select_runs
from fastrun.report.index import records


def compared(folder: Path, metric: str | None = None, limit: int | None = None) -> Comparison:
    return compare_runs(records(folder / "outputs"), metric, limit)


def adamw(lr: float) -> dict[str, object]:
    return {"optimizer": {"_target_": "adamw", "lr": lr}}


def test_only_what_differs_is_shown_and_the_best_come_first(folder: Path, make_run) -> None:
    make_run("a-0001", 0.8, config=adamw(0.1))
    make_run("b-0002", 0.9, config=adamw(0.2))
    make_run("c-0003", None, config=adamw(0.3), values=[], status="failed")
    found = compared(folder)
    assert found.keys == ["optimizer.lr"]
    assert [name_group(group, found.keys) for group in found.groups] == [
        "b-0002 optimizer.lr=0.2", "a-0001 optimizer.lr=0.1", "c-0003 optimizer.lr=0.3"
    ]  # fmt: skip


def test_choices_come_first_and_values_that_come_with_an_option_go_without_saying(folder: Path, make_run) -> None:
    make_run("a", config=adamw(0.1) | {"epochs": 4})
    make_run("b", config={"optimizer": {"_target_": "sgd", "lr": 0.5, "momentum": 0.9}}, choices={"optimizer": "sgd"})
    assert compared(folder).keys == ["optimizer", "epochs"]
    make_run("c", config=adamw(0.3), overrides=["optimizer.lr=0.3"])
    assert compared(folder).keys == ["optimizer", "epochs", "optimizer.lr"]


def test_a_low_loss_is_better_than_a_high_one(folder: Path, make_run) -> None:
    make_run("a", 0.4, metric="val/rmse", config=adamw(0.1))
    make_run("b", 0.3, metric="val/rmse", config=adamw(0.2))
    assert [group.first.id for group in compared(folder).groups] == ["b", "a"]


def test_runs_that_differ_in_the_seed_alone_are_one_row(folder: Path, make_run) -> None:
    values = [0.90, 0.92, 0.97]
    for seed, value in enumerate(values):
        make_run(f"s{seed}", value, seed=seed, config={"speed": {"kind": "auto", "threads": 1 + seed}})
    make_run("other", 0.99, config=adamw(0.5))
    found = compared(folder)
    assert [len(group.records) for group in found.groups] == [1, 3]
    assert found.keys == ["optimizer.lr"]  # not the threads, which each run chose by itself
    statistics = found.groups[1].statistics("best")
    assert statistics is not None
    low, high = stats.t.interval(0.95, 2, loc=statistics.mean, scale=stats.sem(values))
    assert (statistics.n, statistics.low, statistics.high) == pytest.approx((3, low, high))
    assert statistics.mean == pytest.approx(0.93)
    assert statistics.deviation == pytest.approx(stats.tstd(values))


def test_a_row_counts_finished_runs_and_each_seed_once(folder: Path, make_run) -> None:
    make_run("a", 0.9, seed=0)
    make_run("b", 0.9, seed=0)
    make_run("c", 0.5, seed=1, status="interrupted", values=[0.5])
    found = compared(folder)
    (group,) = found.groups
    assert (len(group.records), len(group.counted)) == (3, 1)
    assert "1 run is not finished: of that config only those count that have" in found.notes
    assert "1 run is left out: a newer one has the same config and seed" in found.notes
    assert name_runs(group) == group.first.id


def test_what_has_not_finished_stands_below_what_has(folder: Path, make_run) -> None:
    make_run("a", 0.8)
    make_run("b", 0.9, status="killed", values=[0.9], config={"epochs": 4})
    found = compared(folder)
    assert [group.first.id for group in found.groups] == ["a", "b"]
    assert "1 run is shown as far as it came, below those that finished" in found.notes


def test_a_chosen_metric_is_the_best_of_each_run(folder: Path, make_run) -> None:
    make_run("a", values=[0.8, 0.9])
    found = compared(folder, "val/loss")
    assert found.groups[0].first.best == 1 / 8
    assert "val/loss is the best value of each run: the smallest of its validations" in found.notes


def test_one_value_has_no_deviation() -> None:
    assert statistics_of([None]) is None
    one = statistics_of([None, 2.0])
    assert one is not None
    assert (one.n, one.mean, one.deviation, one.low) == (1, 2.0, None, None)


def test_other_data_and_other_metrics_are_pointed_out(folder: Path, make_run) -> None:
    make_run("a", config=adamw(0.1))
    make_run("b", config=adamw(0.2))
    assert not compared(folder).notes
    make_run("c", config=adamw(0.3), data="d2", metric="val/f1")
    found = compared(folder)
    assert len(set(found.data)) == 2
    assert any("different data" in note for note in found.notes)
    assert any("different metrics" in note for note in found.notes)
    assert [group.first.id for group in found.groups][-1] == "c"  # the rarer metric


def test_another_split_is_other_data(folder: Path, make_run) -> None:
    for split in (0, 1):
        make_run(f"r{split}", config={"data": {"split_seed": split}})
    assert len(set(compared(folder).data)) == 2


def test_another_metric_of_the_runs_can_decide(folder: Path, make_run) -> None:
    make_run("a", 0.9, values=[0.8, 0.9], config=adamw(0.1))
    make_run("b", 0.5, values=[None, 0.5], config=adamw(0.2))
    found = compared(folder, "val/loss")
    assert found.metrics == ["val/loss"]
    assert [group.first.best for group in found.groups] == [0.125, 0.125]
    with pytest.raises(UsageError, match="none of the runs measured val/los") as error:
        compared(folder, "val/los")
    assert error.value.hint == "did you mean val/loss?"


def test_the_number_of_rows_is_limited_in_a_line_that_says_so(folder: Path, make_run) -> None:
    for number in range(5):
        make_run(f"r{number}", number / 10, config=adamw(number))
    found = compared(folder, limit=2)
    assert [group.first.best for group in found.groups] == [0.4, 0.3]
    assert found.notes == ["3 more rows are not shown: --limit 5 shows all, --filter chooses"]


def test_one_run_and_equal_runs_are_said_to_be_that(folder: Path, make_run) -> None:
    make_run("a")
    assert compared(folder).notes == ["one run: there is nothing to compare it with"]
    make_run("b", seed=1)
    assert compared(folder).notes == ["the configs of the runs differ in nothing but the seed"]


@pytest.mark.parametrize(("over", "xs"), [("steps", [5, 15]), ("seconds", [0.5, 1.5]), ("samples", [50, 150])])
def test_curves_go_over_steps_seconds_or_samples_and_leave_gaps_out(folder: Path, make_run, over, xs) -> None:
    path = make_run("a", 0.9, values=[0.7, None, 0.9], target_seconds=1.0)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "epoch": 4, "train_seconds": 2, "val/acc": 0.9')  # being written
    found = compared(folder)
    chart = draw_groups(found.groups, found.keys, "val/acc", over)
    assert chart is not None
    assert (chart.lines[0].xs, chart.lines[0].ys, chart.mark) == (xs, [0.7, 0.9], 0.5)
    assert draw_groups(found.groups, found.keys, "val/top5", over) is None


def test_runs_are_named_by_path_word_folder_or_filter_and_counted_once(folder: Path, make_run) -> None:
    with pytest.raises(UsageError, match="no runs here yet"):
        select_runs([], "best>0.5")
    first = make_run("2026-01-01_00-00-00-00aa", 0.7)
    make_run("2026-01-01_00-00-01-00bb", 0.8)
    assert len(select_runs([str(first), "00aa", "outputs"], None).records) == 2
    assert [record.best for record in select_runs([], "best>0.75").records] == [0.8]
    with pytest.raises(UsageError, match="compare needs runs"):
        select_runs([], None)
    with pytest.raises(UsageError, match="no runs in outputs that match"):
        select_runs([], "best>0.95")
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match="no runs in empty"):
        select_runs(["empty"], None)


def test_a_run_whose_config_cannot_be_read_is_left_out(folder: Path, make_run) -> None:
    make_run("a", config=adamw(0.1))
    broken = make_run("b", config=adamw(0.2))
    make_run("c", config=adamw(0.3))
    (broken / "config.yaml").write_text("a: [")
    found = compared(folder)
    assert ([group.first.id for group in found.groups], found.keys) == (["a", "c"], ["optimizer.lr"])
    assert found.notes == ["1 of the runs left out: their config.yaml cannot be read"]
    with pytest.raises(UsageError, match="no run can be read"):
        compare_runs([record for record in records(folder / "outputs") if record.id == "b"])
