"""Studies of many factors: those that matter are found in few runs, and only they are confirmed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from simulated import Config, FakeClient, Killed, Lab, Physics

from fastrun.cli.main import main
from fastrun.errors import ConfigError
from fastrun.sweep import client

MANY = "study.factors=[norm,optimizer,schedule,init,pipeline,amp,model.dropout=0.5,batch.size=32,optimizer.lr=0.1]"
FEW = ("study.factors=[norm,optimizer,init,pipeline]", "study.keep=2", "study.plain=false", "target.value=0.8")


def pace(config: Config) -> float:
    return (2.0 if config["norm"]["_target_"] else 1.0) * (1.5 if config["model"]["dropout"] == 0 else 1.0)


def cost(config: Config) -> float:
    return 1.2e-3 if config["pipeline"]["kind"] == "plain" else 0.6e-3


PHYSICS = Physics(pace, cost)


@pytest.mark.slow
def test_the_factors_with_the_largest_effects_are_confirmed_and_the_others_are_named(lab: Lab) -> None:
    found = lab.study(MANY, "study.keep=3", "study.plain=false", "target.value=0.8", physics=PHYSICS)
    plan = lab.plan()
    assert plan["screening"]["kept"] == ["norm", "pipeline", "model.dropout=0.0"]
    assert {row.verdict.factor for row in found.rows} == {"", *plan["screening"]["kept"]}
    assert {row.verdict.verdict for row in found.rows} == {"not told apart", "faster"}
    assert plan["screening"]["effects"]["pipeline"]["seconds"] == pytest.approx(2.0, rel=0.05)
    runs = plan["screening"]["runs"]
    assert len(runs) == sum(name.startswith("arm=screening") for name in lab.started) == 32
    scored = {*plan["seeds"], *plan["again_seeds"], *plan["pilot_seeds"]}
    assert scored.isdisjoint({run["seed"] for run in runs})
    written = json.loads((lab.folder / "verdicts.json").read_text())
    out = [row for row in written if row["kind"] == "screened"]
    assert {row["factor"] for row in out} == set(plan["screening"]["screened_out"])
    assert {row["verdict"] for row in out} == {"screened out, not tested"}
    assert all(0.8 < row["screening_ratio"] < 1.2 for row in out)
    page = (lab.folder / "report.html").read_text()
    assert "Screened out, not tested" in page
    assert page.count("Nothing is claimed of these") == 1


@pytest.mark.full
def test_a_study_that_is_killed_screens_nothing_twice(lab: Lab) -> None:
    with pytest.raises(Killed):
        lab.study(*FEW, physics=PHYSICS, dies_after=15)  # in the screening
    for attempt in range(40):
        try:
            again = lab.go_on(physics=PHYSICS, dies_after=15 + attempt)
            break
        except Killed:
            continue
    assert len(set(lab.started)) == len(lab.started)
    assert sum(name.startswith("arm=screening") for name in lab.started) == 16
    whole = Lab()
    other = whole.study(*FEW, physics=PHYSICS)
    assert sorted(whole.started) == sorted(lab.started)
    assert [(row.verdict.factor, row.verdict.verdict) for row in again.rows] == [
        (row.verdict.factor, row.verdict.verdict) for row in other.rows
    ]


@pytest.mark.full
def test_a_factor_that_fails_without_itself_is_kept_and_said_to_have_failed(lab: Lab) -> None:
    physics = Physics(pace, fate=lambda config: "" if config["pipeline"]["kind"] != "plain" else "too slow")
    found = lab.study(*FEW, physics=physics)
    assert lab.plan()["screening"]["kept"] == ["norm", "pipeline"]
    assert found.failed == {"full - pipeline": "too slow"}


def test_a_screening_through_the_command_line(folder: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr(client, "Client", lambda: FakeClient(PHYSICS))
    assert main(["ablate", "+recipe=mlp_fast", "study.factors=[norm,init]", "study.keep=1", *FEW[2:]]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "screening 2 factors by 8 runs, which are not scored" in shown
    assert shown.count("screened out, not tested: effect about init ") == 2  # with the plan, and at the end
    assert "Keep norm" in shown
    assert "no material difference" not in shown


@pytest.mark.slow
def test_a_plan_says_what_is_screened(folder: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr(client, "Client", lambda: FakeClient(PHYSICS))
    run = ["ablate", "+recipe=mlp_fast", *FEW, "--plan"]
    assert main(run) == 0
    planned = capfd.readouterr().out
    assert "4 factors, screened by 16 runs, each without about half of them; the 2 with the largest" in planned
    found = {}
    for key in ("study.screen=true", "study.screen=false"):
        assert main([*run, key, "--json"]) == 0
        plan = found[key] = json.loads(capfd.readouterr().out)
        assert plan["runs"] > plan["blocks"] * plan["arms"]
    screened, whole = found.values()
    assert (screened["screening"], screened["confirmed"], screened["comparisons"]) == (16, 2, 2)
    assert (whole["screening"], whole["confirmed"], whole["comparisons"]) == (0, 4, 4)


@pytest.mark.full
def test_pairs_are_explored_after_the_verdicts_and_change_none(lab: Lab) -> None:
    def shared(config: Config) -> float:
        """Either of the two is enough."""
        return 2.0 if config["norm"]["_target_"] or config["init"]["_target_"] else 1.0

    study = ("study.factors=[norm,init,optimizer]", "target.value=0.8")
    found = lab.study(*study, "study.pairs=2", physics=Physics(shared))
    (line,) = found.pairs
    assert (line["factor"], line["verdict"], line["blocks"]) == ("norm and init", "shared", 8)
    assert line["interaction_low"] < 2.0 < line["interaction_high"]
    assert line["interaction"] == pytest.approx(2.0, rel=0.1)
    before = len(lab.started)
    assert lab.go_on(physics=Physics(shared)).pairs == found.pairs
    assert len(lab.started) == before
    assert "Pairs, explored" in (lab.folder / "report.html").read_text()
    alone = Lab()
    other = alone.study(*study, physics=Physics(shared))
    told = [
        [(one.factor, one.verdict, one.steps_ratio) for one in (row.verdict for row in rows)]
        for rows in (found.rows, other.rows)
    ]
    assert told[0] == told[1]
    assert not [name for name in alone.started if "norm_-_init" in name]


@pytest.mark.full
def test_pairs_that_are_named_need_no_plain_runs_and_are_kept_by_a_screening(lab: Lab) -> None:
    found = lab.study(*FEW, "study.pairs=[[init,optimizer]]", physics=PHYSICS)
    assert lab.plan()["screening"]["kept"] == ["optimizer", "init"]
    assert [(line["factor"], line["verdict"]) for line in found.pairs] == [("optimizer and init", "undecided")]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["study.screen=maybe"], "study.screen=maybe is not bool or null", "study.screen=true or false"),
        (["study.screen=true"], "study.screen=true: there are 2 factors, and study.keep=8 are confirmed", "fewer"),
        (["study.keep=0"], "study.keep=0 is too small", "the minimum is 1"),
        (["study.pairs=3"], "study.pairs=3 is too large", "it must be in [1, 2]"),
        (["study.pairs=[norm,init]"], "study.pairs=[norm,init] is not int or [[str]] or null", "[[norm,init]]"),
        (["study.pairs=[[norm]]"], "study.pairs: [norm] is no pair of two factors", "[[norm,init]]"),
        (["study.pairs=[[norm,ini]]"], "study.pairs: ini is no factor of this study", "did you mean init?"),
        (["study.pairs=2", "study.plain=false"], "study.pairs=2 goes by the gaps to the plain runs", "[[norm,init]]"),
        (["study.pairs=2", "study.tune=3"], "no study.tune=3", "leave out one of them"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs(lab: Lab, arguments: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        lab.study("study.factors=[norm,init]", *arguments)
    assert message in raised.value.message
    assert hint in str(raised.value.hint)
    assert lab.started == []
