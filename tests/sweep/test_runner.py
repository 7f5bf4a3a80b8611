"""Sweeps: a directory for each job, a table at the end, and an exit code other than 0 if a job failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastrun.cli.main import main

QUICK = ["model=mlp", "model.hidden=[8]", "steps=2"]


@pytest.mark.slow
def test_every_combination_is_a_run_and_a_row(folder: Path, capfd) -> None:
    assert (
        main(["train", "+recipe=mlp_fast", "-m", "optimizer=sgd,adamw", "init=he_normal,xavier_normal", "steps=2"]) == 0
    )
    runs = sorted(path.parent for path in folder.glob("outputs/mlp_fast/sweep-*/*/summary.json"))
    assert len(runs) == 4
    assert len({run.parent for run in runs}) == 1
    assert [run.name[:2] for run in runs] == ["0-", "1-", "2-", "3-"]
    out = capfd.readouterr().out
    assert "optimizer=sgd init=xavier_normal" in out
    assert "4 jobs, all finished" in out
    assert {json.loads((run / "summary.json").read_text())["recipe"] for run in runs} == {"mlp_fast"}


def test_a_failed_job_leaves_the_others_alone_and_shows_in_the_exit_code(folder: Path, capfd) -> None:
    assert main(["train", *QUICK, "-m", "optimizer=sgd", "optimizer.lr=0.1,-1"]) == 2
    assert len(list(folder.glob("outputs/train/sweep-*/*/summary.json"))) == 1
    out = capfd.readouterr().out
    assert "2 jobs: 1 finished, 1 failed" in out
    assert "optimizer.lr=-1 is too small" in out


@pytest.mark.slow
def test_long_override_names_fit_a_file_system(folder: Path) -> None:
    long = "outputs/" + "x" * 90
    assert (
        main(
            [
                "train",
                *QUICK,
                "-m",
                f"outputs={long}",
                "seed=1,2",
                "data.split_seed=100000000001",
                "val_every=100000000001",
            ]
        )
        == 0
    )
    assert len(list(folder.glob("outputs/*/train/sweep-*/*/summary.json"))) == 2
