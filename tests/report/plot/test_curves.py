"""What the picture of the schedules shows is what a run would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.components.schedule.build import build_curve
from fastrun.compose import compose
from fastrun.config import registry
from fastrun.report.plot.curves import schedule_curves


def test_every_schedule_of_the_menu_is_drawn_a_users_too(folder: Path) -> None:
    (folder / "conf/schedule").mkdir(parents=True)
    (folder / "conf/schedule/mine.yaml").write_text(
        "# Mine\n_target_: fastrun.components.schedule.linear.linear\nfinal: 0.5\n"
    )
    curves = {curve.name: curve for curve in schedule_curves([])}
    assert list(curves) == list(registry.options("schedule"))
    assert curves["mine"].factors[-1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("option", ["cosine", "multistep", "onecycle", "wsd"])
def test_the_points_are_the_curve_of_a_run(option: str) -> None:
    (curve,) = schedule_curves([f"schedule={option}", "schedule.warmup=10%", "epochs=5"])
    config = compose([f"schedule={option}", "schedule.warmup=10%"]).schedule
    factor = build_curve(config, steps_per_epoch=100, total_steps=500)
    assert curve.end == 5
    assert curve.factors == [factor(round(epoch * 100)) for epoch in curve.epochs]
    assert curve.epochs == [step / 100 for step in range(500)]


def test_a_long_run_is_drawn_with_few_points() -> None:
    (curve,) = schedule_curves(["schedule=cosine", "epochs=3000"])
    assert 1000 <= len(curve.factors) <= 2000
    assert curve.epochs[-1] > 2990


def test_an_argument_changes_the_schedules_that_have_it_alone() -> None:
    some = "schedule=cosine,multistep,plateau,step"
    before = {curve.name: curve.factors for curve in schedule_curves([some])}
    after = {curve.name: curve.factors for curve in schedule_curves([some, "schedule.gamma=0.5"])}
    assert {name for name in before if before[name] != after[name]} == {"multistep", "step"}


def test_momentum_is_drawn_where_it_cycles() -> None:
    one, two = schedule_curves(["schedule=onecycle,cosine", "schedule.momentum=[0.8,0.9]"])
    assert (min(one.momenta), max(one.momenta)) == (pytest.approx(0.8, abs=1e-3), pytest.approx(0.9))
    assert two.momenta == []


def test_plateau_is_shown_an_example_and_says_so() -> None:
    (curve,) = schedule_curves(["schedule=plateau", "schedule.patience=1"])
    assert "after epoch 3" in curve.note
    falls = [curve.epochs[now] for now in range(1, 1000) if curve.factors[now] < curve.factors[now - 1]]
    assert falls == [5, 7, 9]


def test_a_run_of_one_step_has_a_point() -> None:
    assert {
        len(curve.factors) for curve in schedule_curves(["schedule=wsd,onecycle,multistep,plateau", "steps=1"])
    } == {1}
