"""A race that trains: a rate that is far too small is beaten, the recipe that is written reaches the target."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastrun.config import registry

ROOT = Path(__file__).resolve().parents[3]
RUN = ("+recipe=mlp_fast", "optimizer=sgd", "optimizer.lr=0.02", "target.value=0.85")
RACE = ("race", *RUN, "race.space=[optimizer=sgd,adamw]")


def run(*arguments: str, folder: Path, kill_after: int | None = None) -> subprocess.CompletedProcess[str] | None:
    """Run a command line, or kill it once so many runs have a summary, as a machine that fails would; then None."""
    command = [sys.executable, "-m", "fastrun", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **pipes) as process:
        while kill_after is not None and process.poll() is None:
            if len(list(folder.glob("outputs/mlp_fast/race-*/runs/*/summary.json"))) >= kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return None
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def verdict(folder: Path) -> dict:
    (path,) = folder.glob("outputs/mlp_fast/race-*/verdicts.json")
    (row,) = json.loads(path.read_text())
    return dict(row)


@pytest.mark.full
def test_a_rate_that_is_far_too_small_is_beaten_and_a_kill_changes_nothing(folder: Path) -> None:
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir()
    killed.mkdir()
    done = run(*RACE, "--json", folder=whole)
    assert done is not None
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["winner"], said["recipe"]) == ("optimizer=adamw", "recipes/mlp_fast_raced.yaml")
    found = verdict(whole)
    assert found["verdict"] == "faster"
    assert found["low"] > 1.2
    assert re.search(rf"takes {found['ratio']:.2f} \(", (whole / said["recipe"]).read_text())

    assert run(*RACE, folder=killed, kill_after=5) is None
    (race,) = killed.glob("outputs/mlp_fast/race-*")
    assert run("resume", race.name[-4:], folder=killed, kill_after=24) is None
    done = run("resume", str(race.relative_to(killed)), folder=killed)
    assert done is not None
    assert done.returncode == 0, done.stderr
    assert verdict(killed)["steps_ratio"] == found["steps_ratio"]
    names = [path.name.partition("-")[2] for path in race.glob("runs/*") if path.name[0].isdigit()]
    assert len(names) == len(set(names))

    done = run("train", "+recipe=mlp_fast_raced", "seed=7", folder=whole)
    assert done is not None
    assert done.returncode == 0, done.stderr
    (summary,) = whole.glob("outputs/mlp_fast_raced/*/summary.json")
    assert json.loads(summary.read_text())["best"]["value"] > 0.8
    assert "mlp_fast_raced" not in registry.recipes()
