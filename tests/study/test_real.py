"""Studies that train: what is planted in real runs is found, and a study that is killed ends with the same steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ("+recipe=mlp_fast", "epochs=6", "target.value=0.96")
CALLBACKS = '''
import time
import pytorch_lightning as pl

class Slow(pl.Callback):
    """Takes a share of each call more: waits for it without sleeping, which would take longer than it is asked to."""

    def __init__(self, share: float):
        self.share = share

    def on_train_batch_start(self, *_):
        self.began = time.perf_counter()

    def on_train_batch_end(self, *_):
        now = time.perf_counter()
        end = now + self.share * (now - self.began)
        while time.perf_counter() < end:
            pass

class Idle(pl.Callback):
    """Does nothing."""
'''


def verdicts(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("outputs/mlp_fast/study-*/verdicts.json")
    return list(json.loads(path.read_text()))


def steps(folder: Path) -> list[tuple]:
    keys = ("factor", "kind", "steps_ratio", "reached", "reached_baseline", "blocks")
    return [tuple(row[key] for key in keys) for row in verdicts(folder)]


def ablate(*arguments: str, folder: Path, seconds: float | None = None) -> subprocess.CompletedProcess[str] | None:
    """Run a command line; after some seconds, kill it as a machine that fails would, and return None."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fastrun", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.full
def test_a_pipeline_is_found_to_change_no_step_and_gets_no_ladder(shell, folder: Path) -> None:
    done = shell("ablate", *RUN, "study.factors=[pipeline]")
    assert done.returncode == 0, done.stderr
    assert "full - pipeline takes the steps of full, bit for bit" in done.stdout
    same, without = verdicts(folder)
    assert same["kind"] == "same"
    assert (without["factor"], without["steps_ratio"], without["blocks"]) == ("pipeline", 1.0, 6)
    assert without["seconds_ratio"] > 1
    assert without["test_metric"] == without["test_metric_baseline"] > 0.8
    records = [json.loads(path.read_text()) for path in folder.glob("outputs/mlp_fast/study-*/runs/ledger/*.json")]
    arms = [record["sweep_overrides"] for record in records if record["sweep_overrides"][0] == "arm=full - pipeline"]
    assert len([labels for labels in arms if not labels[-1].startswith("pace=")]) == 1  # of the pilot


@pytest.mark.full
@pytest.mark.parametrize(
    ("callback", "factor", "share"),
    [("Slow, share: 0.05", "callbacks.planted.share=0.0", 0.05), ("Idle", "~callbacks.planted", 0.0)],
    ids=["slow", "idle"],
)
def test_a_planted_share_of_a_step_is_found_and_nothing_is_not(shell, folder: Path, callback, factor, share) -> None:
    """That a callback is called takes time as well, so both arms have the one that waits: one waits for no time."""
    (folder / "planted.py").write_text(CALLBACKS)
    planted = f"+callbacks.planted={{_target_: planted.{callback}}}"
    done = shell("ablate", *RUN, planted, f"study.factors=[{factor}]", "study.blocks=8")
    assert done.returncode == 0, done.stderr
    _, without = verdicts(folder)
    assert without["steps_ratio"] == 1.0
    assert without["verdict"] in (("slower", "undecided") if share else ("no material difference", "undecided"))
    truth = 1 / (1 + share)
    assert 0.995 * without["low"] < truth < 1.005 * without["high"]  # an interval at 95 % misses by a little at times


@pytest.mark.full
def test_a_study_that_is_killed_ends_with_the_same_steps(folder: Path) -> None:
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir()
    killed.mkdir()
    study = ("ablate", *RUN, "study.factors=[norm]", "sweep.jobs=2")
    done = ablate(*study, folder=whole)
    assert done is not None
    assert done.returncode == 0, done.stderr
    assert ablate(*study, folder=killed, seconds=18) is None
    (path,) = killed.glob("outputs/mlp_fast/study-*")
    for _ in range(10):
        time.sleep(0.5)
        done = ablate("resume", str(path.relative_to(killed)), folder=killed, seconds=20)
        if done is not None:
            break
    done = done or ablate("resume", str(path.relative_to(killed)), folder=killed)
    assert done is not None
    assert done.returncode == 0, done.stderr
    assert steps(killed) == steps(whole)
