"""Studies by formula: planted differences are found, and nothing depends on when a study is interrupted."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from random import Random

import pytest
from simulated import Config, Killed, Lab, Physics

from fastrun.cli.main import main
from fastrun.errors import CheckpointError, ConfigError, FastrunError
from fastrun.study.ablate import define
from fastrun.study.conclusion import Conclusion
from fastrun.study.settings import split_study

ONE = "study.factors=[norm]"


def pace_with_norm(config: Config) -> float:
    return 2.0 if config["norm"]["_target_"] else 1.0


def cost_with_norm(config: Config) -> float:
    return 1.25e-3 if config["norm"]["_target_"] else 1e-3


NORM = Physics(pace_with_norm, cost_with_norm)


def verdict_of(conclusion: Conclusion, factor: str, kind: str = "without"):
    return next(row.verdict for row in conclusion.rows if (row.verdict.factor, row.verdict.kind) == (factor, kind))


def facts(conclusion: Conclusion) -> list[tuple]:
    found = (row.verdict for row in conclusion.rows)
    return [(one.factor, one.kind, one.verdict, one.steps_ratio, one.reached, one.blocks) for one in found]


def test_a_planted_difference_is_found_however_often_the_study_is_killed(lab: Lab) -> None:
    whole = lab.study(ONE, "target.value=0.8", physics=NORM)
    check_planted(whole, lab)
    names = sorted(lab.started)
    killed = Lab()
    with pytest.raises(Killed):
        killed.study(ONE, "target.value=0.8", physics=NORM, dies_after=4)
    for _ in range(40):
        try:
            again = killed.go_on(physics=NORM, dies_after=12)
            break
        except Killed:
            continue
    assert facts(again) == facts(whole)
    assert sorted(killed.started) == names  # none of them twice


def check_planted(conclusion: Conclusion, lab: Lab) -> None:
    found = verdict_of(conclusion, "norm")
    assert found.verdict == "faster"
    assert found.steps_ratio == pytest.approx(2.0, rel=0.15)
    assert found.seconds_ratio == pytest.approx(0.8, rel=0.05)
    assert found.low < 1.6 < found.high
    assert found.blocks == 6
    assert conclusion.sentence.startswith("Keep norm (without it, training takes 1.")
    written = json.loads((conclusion.folder / "verdicts.json").read_text())
    assert [row["factor"] for row in written] == ["", "norm"]
    assert (written[0]["verdict"], written[0]["more_blocks"]) == ("not told apart", None)
    assert written[1]["test_metric"] is None
    timing = json.loads((conclusion.folder / "timing.json").read_text())
    assert [one["round"] for one in timing["rounds"]] == [1, 2, 3, 4, 5, 6]
    assert timing["rounds"][0]["seconds"]["full"] == pytest.approx(1.25e-3, rel=0.05)
    plan = lab.plan()
    target = {"metric": "val/acc", "value": 0.8, "source": "given", "text": "given", "higher_is_better": True}
    assert plan["target"] == target
    assert set(plan["same"].items()) == {("plain", "full - norm"), ("plain + norm", "full")}


@pytest.mark.full
def test_how_many_run_at_a_time_changes_no_verdict(lab: Lab) -> None:
    alone = lab.study(ONE, "target.value=0.8", physics=NORM)
    together = Lab()
    other = together.study(ONE, "target.value=0.8", "sweep.jobs=3", physics=NORM)
    assert facts(other) == facts(alone)
    assert sorted(together.started) == sorted(lab.started)


@pytest.mark.slow
def test_a_heuristic_that_changes_no_bit_is_judged_by_its_seconds_alone(lab: Lab) -> None:
    physics = Physics(cost=lambda config: 1.3e-3 if config["pipeline"]["kind"] == "plain" else 1e-3)
    found = verdict_of(lab.study("study.factors=[pipeline]", "target.value=0.8", physics=physics), "pipeline")
    assert found.verdict == "faster"
    assert found.steps_ratio == 1.0
    assert found.seconds_ratio == pytest.approx(1.3, rel=0.05)
    without = [name for name in lab.started if "full_-_pipeline" in name]
    assert all("pace=" in name or "seed=1000000" in name for name in without)
    assert lab.plan()["same_steps"] == {"full - pipeline": "full"}


@pytest.mark.slow
def test_an_arm_that_always_fails_is_left_out_with_its_error_and_the_others_go_on(lab: Lab) -> None:
    def fate(config: Config) -> str:
        return "no SGD today" if config["optimizer"]["_target_"].endswith("SGD") else ""

    physics = Physics(pace_with_norm, fate=fate)
    conclusion = lab.study("study.factors=[norm,optimizer]", "target.value=0.8", physics=physics)
    assert conclusion.failed["full - optimizer"] == "no SGD today"
    assert verdict_of(conclusion, "norm").verdict == "faster"
    assert {row.verdict.factor for row in conclusion.rows} == {"", "norm"}


@pytest.mark.slow
def test_an_arm_that_failed_is_tried_again_if_asked_for(lab: Lab) -> None:
    broken = [True]

    def fate(config: Config) -> str:
        later = config["steps"] is not None and config["norm"]["_target_"] is None
        return "the disk is full" if broken[0] and later else ""

    physics = Physics(pace_with_norm, fate=fate)
    first = lab.study(ONE, "target.value=0.8", physics=physics)
    assert first.failed["full - norm"] == "the disk is full"
    assert [row.verdict.factor for row in first.rows] == [""]
    broken[0] = False
    assert lab.go_on(physics=physics).failed
    again = lab.go_on(physics=physics, with_failed=True)
    assert again.failed == {}
    assert verdict_of(again, "norm").verdict == "faster"


def test_a_metric_whose_name_does_not_tell_is_judged_as_its_runs_say(lab: Lab) -> None:
    surprise = Physics(
        pace_with_norm, metric=lambda effort: 1 / (1 + effort / 40), name="val/surprise", higher_is_better=False
    )
    found = verdict_of(lab.study(ONE, "study.blocks=6", physics=surprise), "norm")
    assert (found.verdict, found.reached_baseline) == ("faster", 1.0)
    assert "plus a margin" in lab.plan()["target"]["text"]


@pytest.mark.slow
def test_an_arm_that_diverges_has_missed_the_target(lab: Lab) -> None:
    physics = Physics(fate=lambda config: "" if config["norm"]["_target_"] else "diverged")
    found = verdict_of(lab.study(ONE, "target.value=0.8", physics=physics), "norm")
    assert (found.verdict, found.ratio, found.reached, found.reached_baseline) == ("faster", None, 0.0, 1.0)


@pytest.mark.slow
def test_the_pilot_sets_a_target_and_says_how(lab: Lab) -> None:
    lab.study(ONE, physics=NORM)
    target = lab.plan()["target"]
    assert target["source"] == "pilot"
    assert target["text"].startswith("the median of 3 pilot runs, 0.9")
    assert 0.85 < target["value"] < 0.95
    assert set(lab.plan()["seeds"]).isdisjoint(lab.plan()["pilot_seeds"])


def test_a_target_whose_metric_is_mostly_chance_is_said_to_be_noisy(lab: Lab) -> None:
    chance = Physics(metric=lambda effort: 0.6 + 0.01 * math.log(effort) + Random(effort).gauss(0, 0.05))
    conclusion = lab.study(ONE, "target.value=0.65", physics=chance)
    assert lab.plan()["target"]["noise"].startswith("val/acc varies by 0.0")
    assert conclusion.page is not None
    assert "The target is noisy." in conclusion.page.read_text()
    lab.study(ONE, physics=NORM)
    assert "noise" not in lab.plan()["target"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "physics", "message", "hint"),
    [
        (
            ["target.value=0.999"],
            NORM,
            "does not reach val/acc 0.999 in 1280 steps",
            "start again with a target.value below 0.9",
        ),
        (["target.value=0.01"], NORM, "reaches val/acc 0.01 within 20 of its 320 steps", "a harder target.value"),
        (["target.value=95"], NORM, "target.value=95 cannot be reached", "a share, not a percentage"),
        ([], Physics(metric=lambda effort: 0.1), "val/acc is 0.1 in every validation", "another target.metric"),
        ([], Physics(fate=lambda config: "boom"), "the full run fails: boom", "output.log"),
        ([], Physics(fate=lambda config: "diverged"), "the full run diverges", "lower optimizer.lr"),
        (["study.budget=1s"], Physics(), "study.budget=1s was over before the pilot", "`--plan`"),
    ],
)
def test_what_no_study_can_be_made_of_is_said_in_a_line(
    lab: Lab, monkeypatch, arguments, physics, message, hint
) -> None:
    if "study.budget=1s" in arguments:
        clock = iter(range(0, 100000, 10))
        monkeypatch.setattr("fastrun.study.ablate.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(FastrunError) as raised:
        lab.study(ONE, *arguments, physics=physics)
    assert message in raised.value.message
    assert hint in str(raised.value.hint)
    if lab.started:
        refusal = json.loads((lab.folder / "refused.json").read_text())
        assert message in refusal["error"]
        assert hint in str(refusal["hint"])
    else:
        assert not Path("outputs").exists()


def test_a_plan_that_was_changed_is_refused(lab: Lab) -> None:
    with pytest.raises(Killed):
        lab.study(ONE, "target.value=0.8", physics=NORM, dies_after=25)
    path = lab.folder / "plan.json"
    path.write_text(path.read_text().replace('"value": 0.8', '"value": 0.5'))
    with pytest.raises(CheckpointError, match="was changed after the study had begun"):
        lab.go_on(physics=NORM)


def test_a_plan_of_another_version_is_not_called_changed(lab: Lab) -> None:
    with pytest.raises(Killed):
        lab.study(ONE, "target.value=0.8", physics=NORM, dies_after=25)
    plan = lab.plan()
    del plan["sha256"]
    renamed = {"guess" if key == "guesses" else key: value for key, value in plan.items()}
    richer = plan | {"rule": plan["rule"] | {"luck": 1}}
    for content, words in ((renamed, "it does not say guesses"), (richer, "this one does not know its rule.luck")):
        sha256 = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        (lab.folder / "plan.json").write_text(json.dumps({"sha256": sha256} | content))
        with pytest.raises(CheckpointError, match=f"plan.json is of another version of fastrun: {words}") as raised:
            lab.go_on(physics=NORM)
        assert "go on with the version that began the study" in str(raised.value.hint)


@pytest.mark.slow
def test_on_another_machine_the_seconds_are_measured_anew_and_the_steps_stay(lab: Lab, monkeypatch) -> None:
    whole = lab.study(ONE, "target.value=0.8", physics=NORM)
    before = len(lab.started)
    monkeypatch.setattr("fastrun.study.plan.cpu_name", lambda: "another processor")
    monkeypatch.setattr("fastrun.study.rounds.this_machine", lambda: {"cpu": "another processor"})
    again = lab.go_on(physics=NORM)
    new = lab.started[before:]
    assert len(new) == 3 * 6
    assert all("pace=" in name for name in new)
    assert [fact[3] for fact in facts(again)] == [fact[3] for fact in facts(whole)]


@pytest.mark.slow
def test_a_study_until_all_is_decided_ends_before_the_planned_blocks(lab: Lab) -> None:
    conclusion = lab.study(ONE, "target.value=0.8", "study.until=decided", "study.blocks=30", physics=NORM)
    assert verdict_of(conclusion, "norm").verdict == "faster"
    assert conclusion.blocks < 15
    assert "decided" in conclusion.stopped


@pytest.mark.slow
def test_a_budget_ends_a_study_after_a_whole_block_and_may_be_raised(lab: Lab, monkeypatch) -> None:
    for clock in ("time.time", "time.monotonic"):  # each run takes 20 s
        monkeypatch.setattr(clock, lambda: 1.8e9 + 20.0 * len(lab.clients[-1].started))
    with pytest.raises(ConfigError) as raised:
        lab.study(ONE, "target.value=0.8", "study.blocks=12", "study.budget=8min", physics=NORM)
    assert raised.value.message == "study.budget=8min has no time for a block after the pilot"
    assert "min for all 12: fastrun resume " in str(raised.value.hint)
    some = lab.go_on("study.budget=30min", physics=NORM)
    assert 0 < some.blocks < 12
    assert some.stopped.startswith("study.budget=30min has no time for block ")
    whole = lab.go_on("study.budget=10h", physics=NORM)
    assert (whole.blocks, whole.stopped) == (12, "")


@pytest.mark.slow
def test_every_arm_gets_the_same_number_of_rates_and_keeps_the_best(lab: Lab) -> None:
    def pace(config: Config) -> float:
        best = 0.012 if config["norm"]["_target_"] else 0.003
        return 2.0 * math.exp(-abs(math.log(config["optimizer"]["lr"] / best)))

    conclusion = lab.study(ONE, "target.value=0.8", "study.tune=4", physics=Physics(pace))
    plan = lab.plan()
    assert plan["tuned"]
    assert set(plan["rates"]) == {"full", "full - norm"}
    assert plan["rates"]["full"] > plan["rates"]["full - norm"] == pytest.approx(0.003)
    tried = [name for name in lab.started if "optimizer.lr=" in name and "seed=1000000" in name]
    assert sum("full_-_norm" in name for name in tried) == 5
    assert conclusion.plan.tuned
    assert f"optimizer.lr={plan['rates']['full']:.6g}" in plan["arms"]["full again"]


def test_every_block_has_a_split_of_its_own_where_asked_for(lab: Lab) -> None:
    seen = set()

    def pace(config: Config) -> float:
        seen.add((config["seed"], config["data"]["split_seed"]))
        return pace_with_norm(config)

    lab.study(ONE, "target.value=0.8", "study.resample=true", physics=Physics(pace, cost_with_norm))
    assert len(seen) > 6
    assert all(seed == split for seed, split in seen)
    Path("it.txt").write_text("to be, or not to be; " * 200)
    with pytest.raises(ConfigError, match="not drawn by chance"):
        define(*split_study(["+recipe=text_gpt", "data.root=it.txt", "study.factors=[clip]", "study.resample=true"]))


def test_too_few_blocks_are_refused_before_anything_runs(lab: Lab) -> None:
    with pytest.raises(ConfigError) as raised:
        lab.study(ONE, "study.blocks=5")
    assert raised.value.message == "study.blocks=5: no fewer than 6 can decide 1 comparison"
    assert lab.started == []


def test_a_study_goes_on_as_it_was_planned(folder: Path, capfd) -> None:
    study = folder / "study-2026-01-01_00-00-00-abcd"
    study.mkdir()
    (study / "study.json").write_text("{}")
    assert main(["resume", str(study), "epochs=3"]) == 2
    assert "error: epochs=3: a study goes on as it was planned\nhint: leave it out" in capfd.readouterr().err
    assert main(["resume", str(study), "study.budget=soon"]) == 6
    assert "study.json has no format number" in capfd.readouterr().err
