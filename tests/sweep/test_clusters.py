"""Sweeps on joblib and submitit: the ledger tells what became of each job, and the sweep can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastrun.cli.main import main

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
JOBLIB = "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"
SUBMITIT = ("hydra/launcher=submitit_local",)


@pytest.fixture
def start(faults: Path, tiny: tuple[str, ...]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a sweep; it is not left after the test."""
    started = []

    def sweep(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fastrun", "train", *tiny, "-m", *arguments]
        environ = os.environ | {"PYTHONPATH": str(HERE.parent.parent), "OMP_NUM_THREADS": "1"} | environment
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(command, cwd=faults, env=environ, **pipes))
        return started[-1]

    yield sweep
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def slurm(faults: Path) -> Iterator[dict[str, str]]:
    """A cluster of one machine; return the environment that has it. What it still runs is ended after the test."""
    bin_ = faults / "bin"
    bin_.mkdir()
    shutil.copy(HERE / "slurm.py", bin_)
    for name in ("sbatch", "srun", "scontrol", "sacct"):
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{bin_}/slurm.py" {name} "$@"\n')
        (bin_ / name).chmod(0o755)
    yield {"PATH": f"{bin_}:{os.environ['PATH']}"}
    for path in Path("/proc").glob("[0-9]*"):
        if owned(path, f"FAKE_SCRIPT={bin_}"):
            os.kill(int(path.name), signal.SIGKILL)


def owned(process: Path, said: str) -> bool:
    """Say whether a process has something in its environment."""
    try:
        return said.encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def parent(pid: int) -> int:
    """The process that started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def written(path: Path) -> int:
    """Wait until a process has written its number to a file, and return it."""
    deadline = time.monotonic() + 90
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return int(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [pytest.param(JOBLIB, marks=pytest.mark.full), SUBMITIT],
    ids=["joblib", "submitit_local"],
)
def test_each_job_has_its_row_whatever_became_of_it(
    faults: Path, new_process: Any, tiny: Any, rows: Any, launcher: tuple[str, ...]
) -> None:
    home = {"HOME": str(faults)}
    done = new_process("train", *tiny, "-m", *launcher, "+callbacks.fault.kind=fine,raises,killed", **home)
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["state"] for row in ledger] == ["finished", "failed", "killed"], done.stdout
    assert [row["exit_code"] for row in ledger] == [0, 1, 137]
    assert ledger[1]["error"] == "RuntimeError: this job raises"
    assert [row["sweep_overrides"] for row in ledger] == [
        [f"+callbacks.fault.kind={kind}"] for kind in ("fine", "raises", "killed")
    ]
    assert done.returncode == 1
    assert "3 jobs: 1 finished, 1 failed, 1 killed" in done.stdout
    (faults / "armed").unlink()

    again = new_process("resume", str(sweep), "--failed", **home)
    assert again.returncode == 0, again.stdout
    assert [row["attempts"] for row in rows(sweep)] == [1, 2, 2]
    assert "0" not in (faults / "began").read_text().split()[6:], "they went on from their checkpoints"
    assert {row["state"] for row in rows(sweep)} == {"finished"}


@pytest.mark.slow
@pytest.mark.skip(reason="jobs of a killed joblib worker end as failed since the move: to be looked into")
def test_a_worker_that_is_killed_ends_the_sweep_and_its_job_has_saved(
    faults: Path, start: Any, new_process: Any, rows: Any
) -> None:
    sweep = start(*JOBLIB, "+callbacks.fault.kind=waits", "seed=1,2,3")
    job = written(faults / "pid-waits")
    while len((faults / "began").read_text().splitlines()) < 2:
        assert sweep.poll() is None
        time.sleep(0.02)
    os.kill(parent(parent(job)), signal.SIGKILL)
    out, _ = sweep.communicate(timeout=90)
    (folder,) = faults.glob("outputs/train/sweep-*")
    *ran, last = (row["state"] for row in rows(folder))
    assert (sorted(ran), last) == (["interrupted", "killed"], "waiting"), "joblib kills the other worker and its job"
    assert sweep.returncode == 1
    assert "the launcher ended with TerminatedWorkerError" in out
    (faults / "armed").unlink()
    assert new_process("resume", str(folder)).returncode == 0
    assert [row["attempts"] for row in rows(folder)] == [2, 2, 1]


@pytest.mark.full
@pytest.mark.slow
def test_each_job_may_have_several_processes(faults: Path, new_process: Any, tiny: Any, rows: Any) -> None:
    (faults / "armed").unlink()
    several = "hydra.launcher.tasks_per_node=2", "device=ddp", "device.accelerator=cpu", "+callbacks.fault.kind=fine"
    done = new_process("train", *tiny, "-m", *SUBMITIT, *several, "seed=1,2")
    assert done.returncode == 0, done.stderr
    (sweep,) = faults.glob("outputs/train/sweep-*")
    assert [row["state"] for row in rows(sweep)] == ["finished", "finished"]
    runs = [json.loads(path.read_text()) for path in sweep.glob("*/summary.json")]
    assert [run["hardware"]["count"] for run in runs] == [2, 2]


@pytest.mark.full
@pytest.mark.slow
def test_a_job_that_slurm_preempts_saves_is_queued_again_and_goes_on(
    faults: Path, start: Any, rows: Any, slurm: dict[str, str]
) -> None:
    definition = "hydra.launcher.timeout_min=60", "hydra.launcher.signal_delay_s=90", "hydra.launcher.partition=short"
    sweep = start("hydra/launcher=submitit_slurm", *definition, "+callbacks.fault.kind=waits,fine", **slurm)
    job = written(faults / "pid-waits")
    script = (faults / "bin" / "submitted-7.sh").read_text()
    assert "#SBATCH --signal=USR2@90" in script
    assert "#SBATCH --time=60" in script
    assert "#SBATCH --partition=short" in script
    assert "#SBATCH --array=0-1%2" in script
    (faults / "armed").unlink()
    for process in (parent(parent(job)), parent(job), job):  # SLURM sends it to all that a job has started
        os.kill(process, signal.SIGUSR2)
    out, _ = sweep.communicate(timeout=90)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert (faults / "bin" / "requeued").read_text() == "7_0"
    assert [row["state"] for row in rows(folder)] == ["finished", "finished"], out
    assert [row["attempts"] for row in rows(folder)] == [2, 1]
    assert "waits 3" in (faults / "began").read_text(), "it went on from its checkpoint"
    assert sweep.returncode == 0


@pytest.mark.full
@pytest.mark.slow
def test_a_job_whose_time_on_slurm_is_over_has_saved_and_is_gone_on_with(
    faults: Path, start: Any, new_process: Any, rows: Any, slurm: dict[str, str]
) -> None:
    definition = (
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.timeout_min=5",
    )  # all of it less than submitit allows for
    sweep = start(*definition, "+callbacks.fault.kind=waits,fine", **slurm)
    job = written(faults / "pid-waits")
    (faults / "armed").unlink()
    for process in (parent(parent(job)), parent(job), job):
        os.kill(process, signal.SIGUSR2)
    out, _ = sweep.communicate(timeout=90)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert [row["state"] for row in rows(folder)] == ["interrupted", "finished"], out
    assert sweep.returncode == 1
    assert new_process("resume", str(folder), **slurm).returncode == 0
    assert [row["attempts"] for row in rows(folder)] == [2, 1]


@pytest.mark.full
@pytest.mark.slow
def test_trials_of_a_search_run_on_another_launcher_as_many_at_a_time_as_asked_for(
    faults: Path, new_process: Any, tiny: Any, rows: Any
) -> None:
    (faults / "armed").unlink()
    search = "-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "sweep.jobs=2", "+callbacks.fault.kind=fine"
    done = new_process("train", *tiny, *search, *JOBLIB, "optimizer.lr=tag(log,interval(1e-3,1e-1))")
    assert done.returncode == 0, done.stderr
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["state"] for row in ledger] == ["finished"] * 3
    started, ended = ([row[when] for row in ledger] for when in ("started", "ended"))
    assert max(ended[:2]) < started[2]
    best = json.loads((sweep / "best.json").read_text())
    assert best["value"] == max(row["best"]["value"] for row in ledger)


def test_a_launcher_that_is_not_there_is_named_with_what_to_install(folder: Path, capfd: Any) -> None:
    assert main(["train", "-m", "hydra/launcher=submitit_slrm", "seed=1,2"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("error: hydra/launcher=submitit_slrm: no such option")
    assert "pip install 'fastrun[sweep]'" in err


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("hydra.launcher.partitoin=short", "no key hydra.launcher.partitoin"),
        ("hydra.launcher.nodes=2", "hydra/launcher=submitit_local: LocalExecutor can use only one node"),
    ],
)
def test_what_submitit_does_not_take_is_named_before_anything_runs(
    folder: Path, capfd: Any, key: str, message: str
) -> None:
    assert main(["train", "-m", *SUBMITIT, key, "seed=1,2"]) == 2
    assert f"error: {message}" in capfd.readouterr().err
    assert not (folder / "outputs").exists()
