"""A search by Optuna: as many trials as wanted, each told once, whatever becomes of jobs and of the search itself."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.compose.search.optuna_config import OptunaConfig
from fastrun.compose.search.optuna_study import JOURNAL, OptunaSource
from fastrun.compose.search.space import Interval, Overrides, Values
from fastrun.config.settings import Settings
from fastrun.storage.job import Job, JobRecord

SPACE = [
    Interval("lr", 1e-4, 1.0, log=True),
    Interval("width", 1, 8),
    Values.of("optimizer", ["sgd", "adamw"]),
    Values(["drop"], [{"drop": f"drop=0.{n}"} for n in (1, 2, 3)], [0.1, 0.2, 0.3]),
    Values(["seed"], [{"seed": f"seed={n}"} for n in (9, 6, 3)], [9, 6, 3]),
]


def search(folder: Path, at_once: int = 1, **wanted: Any) -> OptunaSource:
    """A search whose jobs nobody runs."""

    def job(number: int, side: Overrides) -> Job:
        return Job(number, list(side.values()), list(side.values()), Settings(), folder / str(number))

    return OptunaSource(folder, OptunaConfig(direction="maximize", **wanted), SPACE, job, n_jobs=at_once, definition={})


def ended(job: Job, state: str, value: float | None = None) -> JobRecord:
    """How a job ended."""
    row = JobRecord.of(job)
    row.state, row.best = state, None if value is None else {"metric": "val/acc", "value": value, "step": 1}
    return row


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """What the journal says."""
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL)))
    return optuna.load_study(study_name="sweep", storage=journal).trials


def told(folder: Path) -> list[int]:
    """The trials in the order in which their ends were written into the journal."""
    lines = [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]
    return [line["trial_id"] for line in lines if line["op_code"] == 6 and line["state"] != 0]


ENDS = st.sampled_from(["finished", "nothing", "nan", "failed", "diverged", "pruned", "killed", "interrupted", "crash"])


@settings(max_examples=30, deadline=None)
@given(st.lists(ENDS, max_size=25), st.integers(1, 6), st.integers(1, 3))
def test_a_search_ends_with_all_its_trials_told_once(ends: list[str], total: int, at_once: int) -> None:
    with TemporaryDirectory() as name:
        folder, left = Path(name), [*ends]
        running: list[Job] = []
        source = search(folder, at_once, n_trials=total, n_startup_trials=1, sampler="random")
        for _ in range(200):
            while (job := source.next()) is not None:
                running.append(job)
            assert len(running) <= at_once
            if source.done and not running:
                break
            end = left.pop() if left else "finished"
            if end == "crash" or not running:  # of the supervisor, or a resume
                source, running = search(folder, at_once, n_trials=total, n_startup_trials=1, sampler="random"), []
                continue
            value = {"finished": 0.5, "nan": float("nan")}.get(end)
            source.ended(ended(running.pop(), "finished" if end in ("nothing", "nan") else end, value))
        if any(not trial.state.is_finished() for trial in trials(folder)):  # killed last: another resume
            source = search(folder, total, n_trials=total, sampler="random")
            while (job := source.next()) is not None:
                source.ended(ended(job, "finished", 0.5))
        assert [trial.number for trial in trials(folder)] == list(range(total))
        assert sorted(told(folder)) == sorted(trial._trial_id for trial in trials(folder))


def test_suggestions_lie_in_the_space_and_become_overrides(tmp_path: Path) -> None:
    source, said = search(tmp_path, n_trials=30, sampler="random"), []
    while (job := source.next()) is not None:
        said.append(dict(text.split("=") for text in job.sweep_overrides))
        source.ended(ended(job, "finished", 0.5))
    assert len(said) == 30
    assert all(1e-4 <= float(one["lr"]) <= 1 for one in said)
    assert {one["width"] for one in said} <= {str(n) for n in range(1, 9)}
    assert {one["optimizer"] for one in said} == {"sgd", "adamw"}
    assert {one["drop"] for one in said} == {"0.1", "0.2", "0.3"}
    assert {one["seed"] for one in said} == {"3", "6", "9"}
    assert len({one["lr"] for one in said}) == 30


def test_a_search_that_goes_on_draws_other_points(tmp_path: Path) -> None:
    said = []
    for total in (3, 6):
        source = search(tmp_path, n_trials=total, sampler="random")
        while (job := source.next()) is not None:
            said.append(job.sweep_overrides[0])
            source.ended(ended(job, "finished", 0.5))
    assert len(set(said)) == len(said) == 6


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_trial_worse_than_the_median_is_pruned(tmp_path: Path, sampler: str) -> None:
    source = search(tmp_path, n_trials=3, pruner_startup_trials=1, sampler=sampler)
    first = source.next()
    assert first is not None
    assert not source.measured(first, 5, {"val/acc": 0.8, "val/loss": 1.0})
    source.ended(ended(first, "finished", 0.8))
    second = source.next()
    assert second is not None
    assert source.measured(second, 5, {"val/acc": 0.1, "val/loss": 2.0})
    assert not source.measured(second, 5, {"val/acc": 0.1, "val/loss": 2.0}), "a step is reported once"
    source.ended(ended(second, "pruned"))
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE", "PRUNED"]
    assert trials(tmp_path)[1].value == pytest.approx(0.1)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"trial": 0, "value": 0.8, "params": best["params"], "run": "0", "overrides": first.sweep_overrides}


def test_a_journal_whose_last_line_was_cut_is_read_on(tmp_path: Path) -> None:
    source = search(tmp_path, n_trials=2)
    job = source.next()
    assert job is not None
    source.ended(ended(job, "finished", 0.5))
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"op_code":4,"wor')
    again = search(tmp_path, n_trials=2)
    other = again.next()
    assert other is not None
    again.ended(ended(other, "finished", 0.6))
    assert [trial.value for trial in trials(tmp_path)] == [0.5, 0.6]


def test_nothing_of_optuna_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = search(tmp_path, 2, n_trials=12, n_startup_trials=2)
    while (job := source.next()) is not None:
        source.ended(ended(job, "finished", 0.5))
    assert capfd.readouterr() == ("", "")
