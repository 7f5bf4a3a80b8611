"""Studies among runs: their state, and one record for all of their runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fastrun.errors import UsageError
from fastrun.report.compare.comparison import compare_runs
from fastrun.report.compare.selection import select_runs
from fastrun.report.find_run import find_run
from fastrun.report.index import records
from fastrun.report.study_record import with_studies
from fastrun.report.study_state import Label, label_of, read_state
from fastrun.system.process import Process

Make = Callable[..., Path]
STUDY = Path("outputs/mlp_fast/study-2026-11-28_12-00-00-eeee")
GOOD = Path("outputs/mlp_fast/2026-11-28_10-00-00-bbbb")


def test_names_of_runs_say_what_they_are_for() -> None:
    assert label_of("15-arm=full,seed=6000,steps=34") == Label(6000, is_timed=False)
    assert label_of("76-arm=full,seed=6005,steps=189,pace=round_6_on_916d42") == Label(6005, is_timed=True)
    assert label_of("arm=full seed=6005 steps=189 pace=round 6 on 916d42") == Label(6005, is_timed=True)
    assert label_of("3-clip=norm") == Label(None, is_timed=False)


def test_a_study_is_one_record_with_its_own_state(folder: Path, make_run: Make, make_study: Make) -> None:
    make_run(GOOD, best=0.9, started=1.0)
    make_study(STUDY, blocks=2, started=2.0)
    found = with_studies(records(Path("outputs")), Path("outputs"))
    assert [record.id for record in found] == ["bbbb", "eeee"]
    study = found[1]
    assert (study.status, study.reason, study.best) == ("interrupted", "block 2 of 6", None)
    assert study.differs == ["study of norm"]
    assert len(with_studies(records(STUDY), STUDY)) == len(records(STUDY)) == 8


def test_the_state_of_a_study_follows_from_its_files(folder: Path, make_study: Make) -> None:
    make_study(STUDY)
    assert read_state(STUDY).status == "interrupted"
    here = Process.this()
    (STUDY / "lock").write_text(json.dumps(asdict(here)))
    assert read_state(STUDY).status == "running"
    (STUDY / "lock").write_text(json.dumps(asdict(replace(here, boot_id="another"))))
    assert read_state(STUDY).status == "killed"
    (STUDY / "refused.json").write_text(json.dumps({"error": "too easy", "hint": "choose a harder one"}))
    state = read_state(STUDY)
    assert (state.status, state.reason) == ("failed", "too easy; choose a harder one")
    (STUDY / "verdicts.json").write_text("[]")
    assert read_state(STUDY).status == "finished"
    (STUDY / "study.json").rename(STUDY / "race.json")
    (STUDY / "verdicts.json").unlink()
    (STUDY / "refused.json").unlink()
    (STUDY / "lock").write_text("")
    assert (read_state(STUDY).kind, read_state(STUDY).status) == ("race", "interrupted")
    (STUDY / "outcome.json").write_text(json.dumps({"winner": "full", "failed": ""}))
    state = read_state(STUDY)
    assert (state.status, state.reason) == ("finished", "nothing beats the given run")


def test_best_and_latest_leave_out_the_runs_of_studies(folder: Path, make_run: Make, make_study: Make) -> None:
    make_study(STUDY, blocks=1, started=9e9)
    with pytest.raises(UsageError, match="all runs here belong to studies") as error:
        find_run("best")
    assert f"{STUDY}/best" in (error.value.hint or "")
    make_run(GOOD, best=0.9)
    for word in ("best", "latest", "mlp_fast/best", "mlp_fast/latest"):
        assert find_run(word) == GOOD
    assert find_run("latest", takes_sweeps=True) == STUDY
    assert find_run("best", takes_sweeps=True) == GOOD
    assert find_run(f"{STUDY}/latest").parent == STUDY / "runs"


def test_of_a_study_whole_trainings_of_one_length_are_compared(folder: Path, make_run: Make, make_study: Make) -> None:
    study = make_study(STUDY, blocks=3, has_verdicts=True)
    selection = select_runs([str(study)], None)
    assert {record.config["steps"] for record in selection.records} == {34}
    assert selection.notes[0].startswith("9 of the 12 runs of the study are compared: those of 34 steps")
    found = compare_runs(selection.records, notes=selection.notes)
    assert sorted(len(group.counted) for group in found.groups) == [3, 6]
    assert found.keys == ["norm"]
    make_run(GOOD)
    selection = select_runs(["outputs"], None)
    assert [record.id for record in selection.records] == ["bbbb"]
    assert selection.notes == ["12 runs of studies are left out: fastrun compare STUDY"]
    pilot = make_study(Path("outputs/mlp_fast/study-2026-11-28_13-00-00-ffff"))
    with pytest.raises(UsageError, match="has no run that is scored so far"):
        select_runs([str(pilot)], None)
