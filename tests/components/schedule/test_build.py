"""A schedule as a run gets it: from the config, its lengths in any unit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

import fastrun
from fastrun.cli.main import main
from fastrun.components.schedule import Curve
from fastrun.components.schedule.build import build_curve
from fastrun.components.schedule.length import Duration, Moment
from fastrun.compose import compose
from fastrun.config import registry
from fastrun.errors import ConfigError

ENDS = {"constant": 1.0, "plateau": 1.0, "cyclic": 0.12, "triangular": 0.08}  # the kinds that do not decay fully


def factors(config: dict[str, Any], total: int = 1000, steps_per_epoch: int = 100) -> list[float]:
    curve = build_curve(config, steps_per_epoch=steps_per_epoch, total_steps=total)
    return [curve(now) for now in range(total)]


@cache
def defaults(option: str) -> dict[str, Any]:
    return compose([f"schedule={option}"]).schedule


def of(option: str, total: int = 1000, **arguments: Any) -> list[float]:
    return factors(defaults(option) | arguments, total)


@pytest.mark.sampled
@pytest.mark.parametrize("option", list(registry.options("schedule")))
def test_every_schedule_decays_within_the_run_unless_its_kind_says_otherwise(option: str) -> None:
    for warmup in ("0", "10%"):
        rates = of(option, warmup=warmup)
        assert max(rates) == pytest.approx(1.0, abs=0.01)
        assert rates[-1] <= ENDS.get(option, 0.011)
        assert min(rates) >= 0


@pytest.mark.parametrize(
    ("warmup", "option", "key", "forms"),
    [
        (0, "multistep", "milestones", ([0.3, 0.6], ["3ep", "6ep"], ["30%", "60%"], [300, 600], ["300st", "6 ep"])),
        ("1ep", "multistep", "milestones", ("3ep", ["3ep"], [0.3], 0.3)),
        ("7%", "onecycle", "rise", (0.2, "2ep", "20%", 200)),
        ("1ep", "triangular", "rise", (0.2, "2ep", "20%", 200, "200st")),
        ("7%", "wsd", "decay", (0.2, "2ep", "20%", 200)),
        (0, "cosine", "warmup", (0.2, "2ep", "20%", 200)),
    ],
)
def test_a_duration_may_be_steps_epochs_or_a_share_of_the_run(warmup: Any, option: str, key: str, forms: Any) -> None:
    first, *others = [of(option, **{"warmup": warmup, key: form}) for form in forms]
    assert len(set(first)) > 1
    for other in others:
        assert other == pytest.approx(first, abs=1e-12)


@pytest.mark.parametrize(
    ("total", "length"), [(97, 58), (97, 90), (100, 29), (100, 57), (290, 29), (290, 58), (1000, 1), (1000, 57)]
)
def test_whole_steps_stay_whole_steps_in_runs_of_any_length(total: int, length: int) -> None:
    assert of("triangular", total, rise=length).index(1.0) == length
    assert of("multistep", total, milestones=[length]).index(0.1) == length
    warm = of("wsd", total, decay=length, warmup=5)
    assert [rate == 1.0 for rate in warm] == [5 <= now <= total - length for now in range(total)]


def test_milestones_count_from_the_runs_first_step_and_durations_do_not() -> None:
    assert of("multistep", milestones=["5ep"], warmup="2ep").index(0.1) == 500
    assert of("wsd", decay="2ep", warmup="2ep").count(1.0) == 601
    assert of("triangular", rise="2ep", warmup="2ep").index(1.0) == 400


def test_the_command_line_writes_lengths_plainly() -> None:
    config = compose(["schedule=multistep", "schedule.milestones=[2ep,50%,0.7,80]"]).schedule
    assert config["milestones"] == ["2ep", "50%", 0.7, 80]
    rates = factors(config, total=100, steps_per_epoch=20)
    assert [now for now in range(1, 100) if rates[now] < rates[now - 1]] == [40, 50, 70, 80]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("schedule=multistep", "schedule.milestones=[30ep]"),
            "schedule.milestones=30ep is step 3000 of a run of 1000",
        ),
        (("schedule=multistep", "schedule.milestones=[5ep,10ep]"), "schedule.milestones=10ep is step 1000"),
        (("schedule=multistep", "schedule.milestones=[6ep,3ep]"), "not in ascending order"),
        (("schedule=multistep", "schedule.milestones=[3ep,300]"), "not in ascending order"),
        (("schedule=multistep", "schedule.milestones=[]"), "schedule.milestones=[] is empty"),
        (("schedule=multistep", "schedule.milestones=[0,0.5]"), "schedule.milestones=0 is the start of the run"),
        (("schedule=multistep", "schedule.milestones=[1ep]", "schedule.warmup=10%"), "not after the warmup of 100"),
        (("schedule=multistep", "schedule.milestones=[soon]"), "schedule.milestones=soon is not a duration"),
        (("schedule=multistep", "schedule.milestones=[0.5,1.5]"), "schedule.milestones=1.5 is not a share"),
        (("schedule=multistep", "schedule.milestones=[-5]"), "schedule.milestones=-5 is not a duration"),
        (("schedule=multistep", "schedule.milestones=null"), "is not a duration"),
        (("schedule=wsd", "schedule.decay=20ep"), "is 2000 steps, more than the 950 that the warmup leaves"),
        (("schedule=wsd", "schedule.decay=20ep", "schedule.warmup=0"), "more than the 1000 of the run"),
        (("schedule=wsd", "schedule.decay=0ep"), "is not in (0, 1]"),
        (("schedule=wsd", "schedule.decay=true"), "schedule.decay=True is not a duration"),
        (("schedule=wsd", "schedule.decay=[2ep]"), "is not a duration"),
        (("schedule=wsd", "schedule.shape=sqrt"), "schedule.shape=sqrt is not known"),
        (("schedule=onecycle", "schedule.rise=10ep"), "schedule.rise=1 (of the run) is not in [0, 1)"),
        (("schedule=onecycle", "schedule.rise=1.5"), "schedule.rise=1.5 is not a share"),
        (("schedule=onecycle", "schedule.momentum=0.9"), "schedule.momentum=0.9 has the wrong type"),
        (("schedule=cosine", "schedule.warmup=10ep"), "schedule.warmup=10ep leaves no steps"),
        (("schedule=cosine", "schedule.warmup=1.0"), "schedule.warmup=1.0 leaves no steps"),
        (("schedule=cosine", "schedule._target_=null"), "schedule._target_ is not set"),
        (("schedule=cosine", "+schedule.finale=1"), "schedule.finale is not an argument"),
    ],
)
def test_a_length_that_does_not_fit_is_named_as_it_was_written(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        factors(compose(list(overrides)).schedule)
    assert message in caught.value.render()
    assert len(caught.value.render().splitlines()) == 2 or "leaves no steps" in message


def custom(
    steps: int, steps_per_epoch: int, hold: Duration = 0.5, at: tuple[Moment, ...] = (0.5,), by: float = 3.0
) -> Curve:
    values = {0: hold, 1: at[0], 2: at[-1], 3: by, 4: steps, 5: steps_per_epoch}
    return lambda now: values.get(now, 0.0)


def test_a_custom_schedule_gets_its_lengths_as_shares_of_its_curve_defaults_too(monkeypatch) -> None:
    monkeypatch.setenv("FASTRUN_TRUST", __name__)
    config = {"_target_": f"{__name__}.custom", "warmup": "2ep"}
    curve = build_curve(config | {"at": ["4ep", 800]}, steps_per_epoch=100, total_steps=1000)
    assert [curve(200 + now) for now in range(6)] == pytest.approx([0.625, 0.25, 0.75, 3.0, 800, 100])


def test_a_run_trains_at_the_rates_of_its_schedule(folder: Path, lines) -> None:
    own = ["data=synthetic", "data.samples=80", "data.shape=[4]", "model=mlp", "model.hidden=[4]", "batch.size=8"]
    rates = ["optimizer=sgd", "optimizer.lr=0.5", "schedule=multistep", "schedule.milestones=[1ep,75%]"]
    run = fastrun.train([*own, *rates, "epochs=4"], quiet=True)
    epoch = run.summary["steps"] // 4
    result = [line["lr"] for line in lines(run.directory) if "lr" in line]
    assert result == pytest.approx([0.5] * epoch + [0.05] * 2 * epoch + [0.005] * epoch)


def test_the_command_line_refuses_a_milestone_past_the_end(folder: Path, capfd) -> None:
    assert main(["train", "model=mlp", "epochs=2", "schedule=multistep", "schedule.milestones=[30ep]"]) == 2
    assert "train longer" in capfd.readouterr().err
