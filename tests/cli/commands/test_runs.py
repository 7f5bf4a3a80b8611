"""``fastrun runs``: a line a run that fits the terminal, orders, filters, and all of it as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.commands import runs as verb
from fastrun.cli.main import main

Make = Callable[..., Path]


@pytest.fixture
def outputs(folder: Path, make_run: Make) -> Path:
    """Three runs, and a sweep of three, the best of all of them in it."""
    now = time.time()
    name = "outputs/mlp_fast/2026-11-28_10-00-0{}-{}"
    make_run(Path(name.format(0, "aaaa")), best=0.8, started=now - 90000, overrides=["optimizer=sgd"], target=0.75)
    make_run(Path(name.format(1, "bbbb")), best=0.95, started=now - 7200)
    failed = make_run(Path(name.format(2, "cccc")), "failed", None, started=now - 60)
    (failed / "run.log").write_text("2026-11-28 07:30:04 error: out of memory on the device\nhint: …\n")
    sweep = Path("outputs/mlp_fast/sweep-2026-11-28_12-00-00-dddd")
    for number, clip in enumerate(("none", "norm", "agc")):
        status = "failed" if clip == "agc" else "finished"
        given = ["epochs=2", f"clip={clip}"]
        make_run(sweep / f"{number}-clip={clip}", status, 0.9 + number / 50, started=now - 600, overrides=given)
    (sweep / "sweep.json").write_text("{}")
    return Path("outputs")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["runs", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.partition("\n\n")[0].splitlines()[1:]]


def test_the_newest_is_last_and_a_sweep_is_one_line(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys)
    assert ids(text) == ["aaaa", "bbbb", "dddd", "cccc"]
    lines = text.splitlines()
    assert lines[1].split() == ["aaaa", "mlp_fast", "optimizer=sgd", "finished", "acc", "0.8000", "1.50", "s", "1", "d"]
    assert "mlp_fast 3 runs over clip" in lines[3]
    assert "2 finished, 1 failed" in lines[3]
    assert "acc 0.9400" in lines[3]
    assert "failed: out of memory on the device" in lines[4]
    assert lines[-1] == "a sweep is one line: --all lists its runs"


def test_the_runs_of_a_sweep_are_listed_if_they_are_asked_for(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = ["dddd/0", "dddd/1", "dddd/2"]
    assert ids(said(capsys, "--all")) == ["aaaa", "bbbb", *jobs, "cccc"]
    assert ids(said(capsys, "--filter", "clip.kind=none best>0.85")) == ["bbbb", *jobs]
    assert ids(said(capsys, str(next(outputs.glob("*/sweep-*"))))) == jobs


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("age", ["aaaa", "bbbb", "dddd", "cccc"]),
        ("-age", ["cccc", "dddd", "bbbb", "aaaa"]),
        ("best", ["cccc", "aaaa", "dddd", "bbbb"]),
        ("-best", ["bbbb", "dddd", "aaaa", "cccc"]),
        ("name", ["aaaa", "bbbb", "dddd", "cccc"]),
        ("seconds", ["cccc", "aaaa", "bbbb", "dddd"]),
        ("target", ["bbbb", "dddd", "cccc", "aaaa"]),
    ],
)
def test_runs_are_sorted(outputs: Path, capsys: pytest.CaptureFixture[str], by: str, expected: list[str]) -> None:
    assert ids(said(capsys, "--sort", by)) == expected


def test_limit_keeps_the_last_lines(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--limit", "2")
    assert ids(text) == ["dddd", "cccc"]
    assert "the last 2 of 4 lines" in text
    assert ids(said(capsys, "--sort", "best", "--limit", "1", "--all")) == ["bbbb"]


def test_json_has_everything_of_every_run(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    objects = [json.loads(line) for line in said(capsys, "--json", "--all").splitlines()]
    assert len(objects) == 6
    assert {one["kind"] for one in objects} == {"run"}
    last = objects[-2]
    assert last["id"] == "dddd/2"
    assert last["overrides"] == ["+recipe=mlp_fast", "epochs=2", "clip=agc"]
    assert last["sweep"].startswith("outputs/mlp_fast/sweep-")
    assert objects[0]["run"] == "outputs/mlp_fast/2026-11-28_10-00-00-aaaa"
    assert objects[0]["target_seconds"] == 1.5
    assert objects[0]["train_seconds"] == 2.5
    assert objects[0]["config"]["seed"] == 0
    assert len(said(capsys, "--json", "--limit", "2", "--filter", "status=finished").splitlines()) == 2


def test_json_and_the_table_list_sweeps_and_studies_alike(
    outputs: Path, make_study: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(outputs / "mlp_fast/study-2026-11-28_12-00-00-eeee", blocks=2, started=time.time() - 30)
    of_study = ["--filter", "status=interrupted"]
    for given in ([], ["--sort", "-best"], ["--limit", "2"], of_study, ["--all"], [str(study)]):
        objects = [json.loads(line) for line in said(capsys, "--json", *given).splitlines()]
        assert [one["id"] for one in objects] == ids(said(capsys, *given)), given
    by_id = {one["id"]: one for one in map(json.loads, said(capsys, "--json").splitlines())}
    sweep, whole = by_id["dddd"], by_id["eeee"]
    assert (sweep["kind"], sweep["runs"]) == ("sweep", {"finished": 2, "failed": 1})
    assert sweep["best"] == pytest.approx(0.94)
    assert sweep["run"].endswith("sweep-2026-11-28_12-00-00-dddd")
    assert sweep["config"]["seed"] == 0
    assert sweep["train_seconds"] == 2 * 2.5 + 1.5
    assert (whole["kind"], whole["status"], whole["reason"]) == ("study", "interrupted", "block 2 of 6")
    assert whole["run"] == str(study)
    assert whole["runs"] == {"finished": 8}


@pytest.mark.parametrize("width", [80, 100])
def test_lines_fit_the_terminal(
    outputs: Path, make_run: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    long = ["model.hidden=[256,256,256,256]", "schedule.warmup=10%", "name=日本語の名前", "optimizer.lr=0.01"]
    make_run(outputs / ("a" * 200), best=1e300)
    path = make_run(outputs / "日本語の名前/2026-11-28_10-00-05-ffff", "failed", overrides=long)
    (path / "run.log").write_text("2026-11-28 07:30:04 error: \x1b[31ma reason that is much longer than fits\n")
    monkeypatch.setattr(verb, "terminal_width", lambda: width)
    text = said(capsys, "--all")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "…" in text


def test_folders_without_runs_and_mistakes(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert said(capsys, "empty") == "no runs in empty\n"
    assert "none of 6 runs in outputs" in said(capsys, "--filter", "best>2")
    assert "did you mean best?" in said(capsys, "--sort", "bets", code=2)
    assert "--limit 0 lists nothing" in said(capsys, "--limit", "0", code=2)
    assert "no run has the key optimzer" in said(capsys, "--filter", "optimzer=sgd", code=2)
    assert "nowhere is not a folder" in said(capsys, "nowhere", code=7)


def test_a_study_is_a_line_that_says_how_far_it_came(
    outputs: Path, make_study: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(outputs / "mlp_fast/study-2026-11-28_12-00-00-eeee", blocks=2, started=time.time())
    text = said(capsys)
    assert ids(text)[-1] == "eeee"
    assert "mlp_fast study of norm" in text
    assert "interrupted: block 2 of 6" in text
    assert "a sweep or a study is one line: --all lists its runs" in text
    assert ids(said(capsys, "--filter", "status=interrupted")) == ["eeee"]
    assert len(ids(said(capsys, "--all"))) == 14
    assert len(ids(said(capsys, str(study)))) == 8


@pytest.mark.parametrize("width", [80, 100])
def test_how_far_a_study_came_fits_the_terminal(
    outputs: Path, make_study: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    study = make_study(outputs / "mlp_fast/study-2026-11-28_12-00-00-eeee", blocks=2, started=time.time())
    names = ("norm", "clip", "optimizer", "schedule", "augment", "pipeline")
    (study / "study.json").write_text(json.dumps({"factors": [{"name": name} for name in names]}))
    monkeypatch.setattr(verb, "terminal_width", lambda: width)
    text = said(capsys)
    assert max(map(len, text.splitlines())) <= width
    (line,) = (line for line in text.splitlines() if line.startswith("eeee"))
    assert "mlp_fast study of" in line
    assert "interrupted: block 2 of 6" in line
    assert "failed: out of memory" in text


def test_a_reversed_order_keeps_its_first_lines(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--sort", "-best", "--limit", "2")
    assert ids(text) == ["bbbb", "dddd"]
    assert "the first 2 of 4 lines" in text


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("status=crashed", "status of these runs: failed, finished"),
        ("status=finish", "did you mean finished?"),
        ("optimizer=nosuch", "none of these runs has optimizer"),
        ("model=mpl", "did you mean mlp?"),
    ],
)
def test_a_value_that_no_run_has_is_named(
    outputs: Path, capsys: pytest.CaptureFixture[str], condition: str, hint: str
) -> None:
    text = said(capsys, "--filter", condition)
    assert "none of 6 runs in outputs" in text
    assert f"hint: {hint}" in text


def test_a_line_has_the_recipe_and_the_values_that_count(
    folder: Path, make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("outputs/mine/2026-11-28_10-00-00-aaaa"), overrides=["name=mine", "epochs=9", "clip=agc", "epochs=3"])
    assert "mine (mlp_fast) clip=agc epochs=3  finished" in said(capsys)
