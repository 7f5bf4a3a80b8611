"""Commands that take a run take ``latest``, an id or a part of a name, and ``tune`` and ``find`` take a run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.commands.completion import words
from fastrun.cli.main import main

Make = Callable[..., Path]
Shell = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("data=digits", "model=mlp", "model.hidden=[16]", "batch.size=64", "steps=6", "optimizer.lr=0.5", "amp=off")


def trained(shell: Shell) -> tuple[Path, str]:
    """The directory of a run, and its short id."""
    assert shell("train", *SMALL).returncode == 0
    (run,) = Path("outputs/train").iterdir()
    return run, run.name.rpartition("-")[2]


@pytest.mark.slow
def test_eval_and_resume_take_a_word(shell: Shell) -> None:
    run, short = trained(shell)
    assert str(run) in shell("eval", "latest", "--json").stdout
    assert "going on from step 6" in shell("resume", short, "steps=8").stdout


@pytest.mark.slow
def test_a_run_starts_from_the_weights_that_a_word_names(shell: Shell) -> None:
    run, short = trained(shell)
    done = shell("train", *SMALL, "transfer=finetune", f"transfer.source={short}")
    assert f"transfer.source={short} is {run}" in done.stderr
    (other,) = {*Path("outputs/train").iterdir()} - {run}
    assert f"transfer.source={run}" in (other / "overrides.yaml").read_text()


@pytest.mark.slow
def test_tune_and_find_take_a_run(shell: Shell) -> None:
    _, short = trained(shell)
    done = shell("tune", short, "--seconds", "0.2", "--json")
    assert json.loads(done.stdout)["choice"]["speed.threads"] == 1, done.stderr  # though config.yaml has it
    done = shell("find", "optimizer.eps", "train/latest", "--seeds", "1", "--steps", "10", "optimizer.lr=0.1")
    assert done.returncode == 0, done.stderr
    command = done.stdout.splitlines()[-1]
    assert command.startswith("fastrun train data=digits model=mlp")
    assert "optimizer.lr=0.1 optimizer.eps=" in command


@pytest.mark.parametrize("verb", [["eval"], ["resume"], ["tune"], ["diagnose"], ["find", "lr"]])
def test_a_word_that_names_no_run_or_several_is_refused(
    folder: Path, make_run: Make, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    for name in ("2026-11-28_10-00-00-aaaa", "2026-11-28_11-00-00-bbbb"):
        make_run(Path("outputs/a") / name)
    assert main([*verb, "2026-11-28"]) == 2
    assert "2026-11-28 could be one of 2 runs" in capsys.readouterr().err
    assert main([*verb, "aaab"]) == 2
    assert "did you mean aaaa?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["eval", "tune", "diagnose"])
def test_a_study_is_no_run(folder: Path, make_study: Make, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    study = make_study(Path("outputs/a/study-2026-11-28_12-00-00-eeee"))
    assert main([verb, "eeee"]) == 2
    text = capsys.readouterr().err
    assert "eeee is a study, not a run" in text
    assert f"fastrun report {study}" in text


@pytest.mark.parametrize(
    "override", ["epochs=3", "optimizer.lr=0.1", "schedule=cosine", "+callbacks.x=1", "target.value=1"]
)
def test_eval_refuses_what_changes_no_measurement(
    folder: Path, make_run: Make, capsys: pytest.CaptureFixture[str], override: str
) -> None:
    make_run(Path("outputs/a/2026-11-28_10-00-00-aaaa"))
    assert main(["eval", "latest", override]) == 2
    key = override.partition("=")[0].lstrip("+")
    text = capsys.readouterr().err
    assert f"{override}: nothing is trained, so {key} would change nothing" in text
    assert "data.…" in text


def test_the_directory_of_a_job_is_a_run_though_it_has_an_equals_sign(
    folder: Path, make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_run(Path("outputs/a/sweep/0-clip=norm"))
    assert main(["find", "lr", str(job), "optimizer=sgd"]) == 2
    assert "for other options, type the training: +recipe=mlp_fast optimizer=sgd" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["resume", "eval", "tune", "diagnose", "find lr"])
def test_completion_offers_runs(folder: Path, make_run: Make, verb: str) -> None:
    assert "latest" not in words(f"fastrun {verb} ")
    make_run(Path("outputs/a/2026-11-28_10-00-00-abcd"))
    make_run(Path("outputs/a/sweep-2026-11-28_10-00-00-ffff/1-clip=norm"))
    Path("outputs/a/sweep-2026-11-28_10-00-00-ffff/sweep.json").write_text("{}")
    assert {"latest", "best", "abcd", "ffff/1"} <= set(words(f"fastrun {verb} "))
    assert words(f"fastrun {verb} 2026") == ["2026-11-28_10-00-00-abcd"]
    assert words(f"fastrun {verb} ff") == ["ffff/1", "ffff"]
    assert ("latest" in words(f"fastrun {verb} abcd ")) == (verb == "eval")  # which takes several
