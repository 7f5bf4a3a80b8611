"""Frames of runs and sweeps, and when a watch ends."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from fastrun.cli.main import main
from fastrun.errors import UsageError
from fastrun.report.watch.loop import watch
from fastrun.report.watch.run_frame import run_frame
from fastrun.report.watch.run_state import RunState
from fastrun.report.watch.subject import find_subject
from fastrun.report.watch.sweep_frame import sweep_frame
from fastrun.report.watch.sweep_state import SweepState
from fastrun.storage.job import JobRecord, sha256_of
from fastrun.system.process import Process


def terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 30), (40, 10), (20, 5), (200, 60)])
def test_a_frame_fits_its_terminal(fake_run, width: int, height: int) -> None:
    run = fake_run()
    run.write_lines(*range(1, 31))
    state = RunState(run.path)
    state.poll()
    console = terminal(width, height)
    lines = console.render_lines(run_frame(state, console), pad=False)
    assert max(sum(segment.cell_length for segment in line) for line in lines) <= width
    if height >= 24:
        assert len(lines) < height
        console.print(run_frame(state, console))
        out = text_of(console)
        assert "step 30/50  epoch 6.0  2.00 s left" in out
        assert "best acc 0.3000 at step 30" in out
        assert "val/acc over steps" in out


def test_a_watch_ends_with_the_run_and_leaves_the_last_frame(fake_run) -> None:
    run, console, slept = fake_run(), terminal(), []
    state = RunState(run.path)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        run.write_lines(5 * len(slept))
        if len(slept) == 3:
            run.write_status("interrupted")

    assert watch(state, lambda: run_frame(state, console), console, once=False, sleep=sleep)
    assert len(slept) == 3
    end = text_of(console).rpartition("\x1b[?1049l")[2]
    assert "interrupted" in end
    assert "step 15/50" in end
    assert f"fastrun resume {run.path}" in "".join(end.split("\n")) or "fastrun resume" in end


def test_ctrl_c_ends_the_watch_alone(fake_run) -> None:
    run, console = fake_run(), terminal()
    state = RunState(run.path)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    assert not watch(state, lambda: run_frame(state, console), console, once=False, sleep=interrupt)
    assert text_of(console).endswith("\n")
    assert "running" in text_of(console).rpartition("\x1b[?1049l")[2]


def test_what_runs_is_watched_before_what_ended_later(fake_run, folder: Path) -> None:
    with pytest.raises(UsageError, match="no runs in outputs"):
        find_subject(None)
    running, ended = fake_run("2026-01-01_00-00-00-00aa"), fake_run("2026-01-01_00-00-01-00bb")
    ended.write_status("finished", started=2000.0)
    assert find_subject(None) == running.path.relative_to(folder)
    running.write_status("failed")
    assert find_subject(None) == ended.path.relative_to(folder)
    assert find_subject("00aa") == running.path.relative_to(folder)


def test_a_run_whose_resume_begins_is_not_over(fake_run) -> None:
    run = fake_run()
    gone = {**asdict(Process.this()), "boot_id": "another"}
    run.write_status("running", **gone)
    state = RunState(run.path)
    state.poll()
    assert (state.status, state.has_ended) == ("killed", True)
    (run.path / "lock").write_text(json.dumps(asdict(Process.this())))
    state.poll()
    assert (state.status, state.has_ended) == ("running", False)
    (run.path / "lock").write_text("")
    run.write_status("interrupted")
    state.poll()
    assert state.status == "interrupted"


@pytest.mark.parametrize("kind", ["run", "study", "race"])
def test_a_watch_sees_a_resume_before_it_has_loaded_anything(
    folder: Path, make_run, make_study, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = f"outputs/mlp/{kind}-2026-01-01_00-00-00-00dd"
    path = make_run(folder / name, "interrupted") if kind == "run" else make_study(folder / name)
    if kind == "race":
        (path / "study.json").rename(path / "race.json")
    seen = []

    def look(*_: object, **__: object) -> None:
        state = RunState(path) if kind == "run" else SweepState(path / "runs")
        state.poll()
        seen.append((state.status, state.has_ended))
        raise UsageError("this is all", "nothing else is tested")

    loads = {"run": "fastrun.compose.from_config", "study": "fastrun.study.ablate.read_definition"}
    monkeypatch.setattr(loads.get(kind, "fastrun.study.race.race.read_race"), look)
    assert main(["resume", str(path)]) == UsageError.exit_code
    assert seen == [("running", False)]


def test_a_resume_counts_its_seconds_from_its_own_start(fake_run) -> None:
    run = fake_run()
    (run.path / "lock").write_text(json.dumps({**asdict(Process.this()), "since": 1500.0}))
    state = RunState(run.path, now=lambda: 1503.0)
    state.poll()
    assert state.wall_seconds == 3.0


def test_without_a_terminal_there_is_one_frame(fake_run, capfd) -> None:
    run = fake_run()
    run.write_lines(*range(1, 6))
    assert main(["watch"]) == 0
    out = capfd.readouterr().out
    assert "step 5/50" in out
    assert "\x1b" not in out
    assert main(["watch", "--once", str(run.path)]) == 0


def job(number: int, state: str, best: float | None = None) -> JobRecord:
    found = None if best is None else {"metric": "val/acc", "value": best, "step": 30}
    ended = None if state in ("waiting", "running") else 1010.0 + number
    return JobRecord(
        number, [f"optimizer.lr={number}"], [f"optimizer.lr={number}"], {}, sha256_of({}), f"{number}-lr", state,
        best=found, seconds=10.0 if ended else 0.0, started=1000.0, ended=ended,
    )  # fmt: skip


@pytest.fixture
def sweep(folder: Path) -> Path:
    """A sweep of six jobs: two ended, one failed, one runs, two wait."""
    path = folder / "outputs" / "mlp" / "sweep-2026-01-01_00-00-00-00cc"
    (path / "ledger").mkdir(parents=True)
    (path / "sweep.json").write_text(json.dumps({"format": 2, "total": 6, "jobs": []}))
    failed = job(2, "failed")
    failed.error = "the loss of this job is not finite, and what is more, " * 3
    records = [job(0, "finished", 0.7), job(1, "finished", 0.9), failed, job(3, "running"), job(4, "waiting")]
    for record in records:
        write_job(path, record)
    (path / "lock").write_text(json.dumps(asdict(Process.this())))
    return path


def write_job(sweep: Path, record: JobRecord) -> None:
    (sweep / "ledger" / f"{record.number:05d}.json").write_text(json.dumps(asdict(record)))


def test_a_sweep_shows_what_runs_then_the_best(sweep: Path, fake_run) -> None:
    (sweep / "3-lr").mkdir()
    (sweep / "3-lr" / "metrics.jsonl").write_text('{"step": 20, "val/acc": 0.5}\n{"step": 25, "train/loss": 1.0}\n')
    state, console = SweepState(sweep, now=lambda: 1030.0), terminal(100)
    state.poll()
    assert state.states == {"finished": 2, "failed": 1, "running": 1, "waiting": 2}
    assert state.seconds_left == pytest.approx(30.0)  # three jobs in the first 30 s, three are left
    console.print(sweep_frame(state, console, now=lambda: 1030.0))
    out = text_of(console)
    assert "3/6 jobs" in out
    rows = [line.split() for line in out.splitlines() if "optimizer.lr=" in line]
    assert [row[0] for row in rows] == ["3", "1", "0", "2"]
    assert rows[0][2:] == ["running", "25", "acc", "0.5000", "30.0", "s"]
    assert rows[1][2:6] == ["finished", "30", "acc", "0.9000"]


def test_a_sweep_that_is_stopped_ends_its_watch_with_what_goes_on(sweep: Path, capfd) -> None:
    state = SweepState(sweep)
    state.poll()
    assert not state.has_ended
    (sweep / "lock").write_text("")
    for number, state_of in ((3, "interrupted"), (4, "waiting")):
        write_job(sweep, job(number, state_of))
    state.poll()
    assert state.has_ended
    assert main(["watch", str(sweep)]) == 0
    assert "go on with: fastrun resume" in capfd.readouterr().out


def test_a_study_runs_as_long_as_somebody_has_its_folder(sweep: Path, folder: Path, capfd) -> None:
    study = folder / "outputs" / "mlp" / "study-2026-01-01_00-00-00-00dd"
    study.mkdir()
    (study / "study.json").write_text("{}")
    (sweep / "lock").rename(study / "lock")
    sweep.rename(study / "runs")
    assert find_subject("outputs/mlp/study-2026-01-01_00-00-00-00dd").name == "runs"
    state = SweepState(study / "runs")
    state.poll()
    assert not state.has_ended
    (study / "lock").write_text("")
    assert main(["watch", str(study)]) == 0
    out = capfd.readouterr().out
    assert out.startswith("mlp 00dd  interrupted")
    assert f"fastrun resume {study}\n" in out


def test_a_study_shows_its_block_and_no_number_of_jobs(sweep: Path) -> None:
    study = sweep.parent / "study-2026-01-01_00-00-00-00dd"
    study.mkdir()
    (study / "study.json").write_text("{}")
    (sweep / "lock").rename(study / "lock")
    sweep.rename(study / "runs")
    state = SweepState(study / "runs")
    state.poll()
    assert (state.status, state.progress, state.seconds_left) == ("running", "pilot", None)
    (study / "plan.json").write_text(json.dumps({"seeds": [6000, 6001, 6002], "again_seeds": [9000, 9001, 9002]}))
    scored = job(5, "finished", 0.9)
    scored.sweep_overrides = ["arm=full again", "seed=9001", "steps=48"]
    write_job(study / "runs", scored)
    (study / "runs" / "5-lr").mkdir()
    (study / "runs" / "5-lr" / "summary.json").write_text('{"steps": 48}')
    state.poll()
    console = terminal(100)
    console.print(sweep_frame(state, console))
    out = text_of(console)
    assert "block 2 of 3; runs: 3 finished, 1 failed, 1 running, 1 waiting" in out
    assert " left" not in out
    (row,) = (line.split() for line in out.splitlines() if "arm=full again" in line)
    assert row[5:7] == ["finished", "48"]  # the steps that it did; its best one was the 30th
    (study / "verdicts.json").write_text("[]")
    (study / "lock").write_text("")
    state.poll()
    assert (state.status, state.has_ended) == ("finished", True)


def test_a_narrow_terminal_shows_results_and_whole_titles(sweep: Path) -> None:
    state, console = SweepState(sweep), terminal(50)
    state.poll()
    console.print(sweep_frame(state, console))
    out = text_of(console)
    assert "overrides" in out
    assert "measured" in out
    assert "acc 0.9000" in out
    assert "optimizer.lr=1" in out


def test_many_jobs_do_not_overflow_a_terminal(sweep: Path) -> None:
    for number in range(5, 60):
        write_job(sweep, job(number, "finished", number / 100))
    state, console = SweepState(sweep), terminal(80, 24)
    state.poll()
    lines = console.render_lines(sweep_frame(state, console), pad=False)
    assert len(lines) < 24
    assert max(sum(segment.cell_length for segment in line) for line in lines) <= 80
    console.print(sweep_frame(state, console))
    assert "more jobs" in text_of(console)
