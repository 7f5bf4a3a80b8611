"""``hydra/sweeper=optuna``: trials to the total, pruned, failed, killed and gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from fastrun.cli.main import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LATER = '''
import time
from pathlib import Path
import pytorch_lightning as pl
from fastrun.system import signals

class Later(pl.Callback):
    """Every run but the first has forgotten all when it is measured, and then waits until it is told to stop."""

    def on_train_start(self, trainer, module):
        self.later = Path("one").exists()
        Path("one").touch()

    def on_train_batch_end(self, trainer, module, *_):
        if self.later and module.state.step == 2:
            for weight in module.net.parameters():
                weight.data.mul_(1000)
        until = time.monotonic() + 60
        while self.later and module.state.step == 4 and not signals.is_stop_requested() and time.monotonic() < until:
            time.sleep(0.01)
'''
OPTUNA = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.sampler=random", "optimizer.lr=tag(log,interval(1e-3,1e-1))")


def study(sweep: Path) -> optuna.Study:
    """What the journal of a search says."""
    backend = optuna.storages.journal.JournalFileBackend(str(sweep / "optuna.jsonl"))
    return optuna.load_study(study_name="sweep", storage=optuna.storages.JournalStorage(backend))


def states(sweep: Path) -> list[str]:
    """How its trials ended."""
    return [trial.state.name for trial in study(sweep).trials]


def test_six_trials_on_digits_two_at_a_time_and_the_best_is_told(folder: Path, rows: Any, capfd: Any) -> None:
    digits = "model=mlp", "model.hidden=[8]", "steps=6", "val_every=3"
    space = "optimizer=sgd,adamw", "batch.size=int(interval(32,64))"
    search = "-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_startup_trials=2"
    lr = "optimizer.lr=tag(log,interval(1e-3,1e-1))"
    assert main(["train", *digits, *search, *space, lr, "sweep.jobs=2"]) == 0
    (sweep,) = folder.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["number"] for row in ledger] == list(range(6))
    finished = [row for row in ledger if row["state"] == "finished"]
    assert {row["state"] for row in ledger} <= {"finished", "pruned"}
    trials = study(sweep).trials
    assert study(sweep).direction.name == "MAXIMIZE"
    assert [trial.value for trial in trials if trial.state.name == "COMPLETE"] == [
        row["best"]["value"] for row in finished
    ]
    for row, trial in zip(ledger, trials, strict=True):
        assert row["config"]["batch"]["size"] == trial.params["batch.size"]
        assert row["config"]["optimizer"]["lr"] == trial.params["optimizer.lr"]
        assert row["config"]["choices"]["optimizer"] == trial.params["optimizer"]
        assert trial.intermediate_values.keys() <= {3, 6}
    best = json.loads((sweep / "best.json").read_text())
    assert best["value"] == max(row["best"]["value"] for row in finished)
    assert (sweep / best["run"] / "summary.json").is_file()
    out = capfd.readouterr().out
    assert f"best: trial {best['trial']}" in out
    assert "[I " not in out, "Optuna's own log"


def test_trials_worse_than_the_median_are_stopped_and_not_run_again(
    folder: Path, tiny: Any, rows: Any, capfd: Any
) -> None:
    (folder / "faults.py").write_text(LATER)
    tiny = [*(text for text in tiny if "fault" not in text), "+callbacks.later._target_=faults.Later"]
    search = "hydra.sweeper.n_trials=3", "hydra.sweeper.pruner_startup_trials=1", "target.metric=val/loss"
    assert main(["train", *tiny, *OPTUNA, *search]) == 0
    (sweep,) = folder.glob("outputs/train/sweep-*")
    assert study(sweep).direction.name == "MINIMIZE"
    assert states(sweep) == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [row["state"] for row in rows(sweep)] == ["finished", "pruned", "pruned"]
    assert json.loads((sweep / rows(sweep)[1]["folder"] / "status.json").read_text())["status"] == "interrupted"
    assert "3 jobs: 1 finished, 2 pruned" in capfd.readouterr().out
    assert main(["resume", str(sweep)]) == 0
    assert [row["attempts"] for row in rows(sweep)] == [1, 1, 1]


@pytest.mark.full
def test_trials_that_diverge_are_failed_ones_and_count(faults: Path, tiny: Any, rows: Any, capfd: Any) -> None:
    search = "hydra.sweeper.n_trials=2", "+callbacks.fault.kind=diverges"
    assert main(["train", *tiny, *OPTUNA, *search]) == 4
    (sweep,) = faults.glob("outputs/train/sweep-*")
    assert states(sweep) == ["FAIL", "FAIL"]
    assert [row["state"] for row in rows(sweep)] == ["diverged", "diverged"]
    assert not (sweep / "best.json").exists()
    assert "no trial has finished" in capfd.readouterr().out
    (faults / "armed").unlink()
    assert main(["resume", str(sweep), "hydra.sweeper.n_trials=3"]) == 4, "two have diverged"
    assert states(sweep) == ["FAIL", "FAIL", "COMPLETE"]
    assert main(["resume", str(sweep), "--failed"]) == 2
    assert "hydra.sweeper.n_trials=" in capfd.readouterr().err


def test_a_search_that_is_killed_goes_on_to_exactly_its_total(
    faults: Path, tiny: Any, rows: Any, new_process: Any
) -> None:
    search = "hydra.sweeper.n_trials=3", "+callbacks.fault.kind=waits"
    command = [sys.executable, "-m", "fastrun", "train", *tiny, *OPTUNA, *search]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=faults, env=environ, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (faults / "pid-waits").is_file():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    (sweep,) = faults.glob("outputs/train/sweep-*")
    assert states(sweep) == ["RUNNING"]
    (faults / "armed").unlink()

    done = new_process("resume", str(sweep))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert states(sweep) == ["COMPLETE"] * 3
    assert [row["attempts"] for row in rows(sweep)] == [2, 1, 1]
    began = (faults / "began").read_text().split()
    assert began == ["waits", "0", "waits", "3", "waits", "0", "waits", "0"], "it went on from its checkpoint"
    lrs = [trial.params["optimizer.lr"] for trial in study(sweep).trials]
    assert [row["config"]["optimizer"]["lr"] for row in rows(sweep)] == lrs
    assert len(set(lrs)) == 3
    assert "best: trial" in done.stdout
