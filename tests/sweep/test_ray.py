"""Sweeps on Ray: a Ray of two cores that the tests of this file share, and what is refused before any Ray is there."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastrun.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
RAY = ("hydra/launcher=ray",)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray that is there already: sweeps take part in it, and leave it as it is."""
    ray = pytest.importorskip("ray", reason="needs the extra sweep")
    ray.init(
        address="local", num_cpus=2, num_gpus=0, include_dashboard=False, object_store_memory=75 * 1024**2,
        logging_level=logging.ERROR, log_to_driver=False,
    )  # fmt: skip
    yield
    assert ray.is_initialized(), "a sweep ended a Ray that it had not started"
    ray.shutdown()


def parent(pid: int) -> int:
    """The process that started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def written(path: Path, seconds: float = 90) -> int:
    """Wait until a process has written its number to a file, and return it."""
    deadline = time.monotonic() + seconds
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return int(path.read_text())


def lost_worker(faults: Path) -> Callable[[], None]:
    """Return what kills Ray's worker of the job that waits, once it does."""

    def kill() -> None:
        job = written(faults / "pid-waits")
        (faults / "armed").unlink()
        os.kill(parent(parent(job)), signal.SIGKILL)

    return kill


def measured(run: Path) -> list[dict[str, Any]]:
    """What a run measured, but for the time that it took."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if "/" in key or key == "step"} for line in lines]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("train", "-m", *RAY, "hydra.launcher.ray.init.adress=here:1", "seed=1,2"),
            "no key hydra.launcher.ray.init.adress",
        ),
        (
            ("train", "-m", *RAY, "hydra.launcher.ray.init.address=ray://here:1", "seed=1,2"),
            "hydra.launcher.ray.init.address=ray://here:1 reaches Ray from outside of its cluster",
        ),
        (
            ("train", "-m", *RAY, "hydra.launcher.ray.remote.max_retries=often", "seed=1,2"),
            "hydra.launcher.ray.remote.max_retries=often is no count",
        ),
        (
            ("train", "-m", *RAY, "hydra.launcher.ray.init.address=127.0.0.1:1", "seed=1,2"),
            "no Ray answers at 127.0.0.1:1",
        ),
        (("train", "-m", *RAY, "sweep.gpus=1.5", "seed=1,2"), "sweep.gpus=1.5: Ray takes whole numbers above 1"),
        (("train", "-m", "sweep.gpus=0.5", "seed=1,2"), "sweep.gpus=0.5 is for hydra/launcher=ray"),
        (("ablate", "hydra/launcher=joblib", "target.value=0.9"), "hydra/launcher=joblib does not run studies"),
    ],
)
def test_what_ray_does_not_take_is_named_before_any_ray_is_there(
    folder: Path, capfd: Any, arguments: tuple[str, ...], message: str
) -> None:
    assert main(list(arguments)) == 2
    assert capfd.readouterr().err.startswith(f"error: {message}\nhint: ")
    assert not (folder / "outputs").exists()


def test_ray_that_is_not_installed_is_named_with_what_to_install(
    folder: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["train", "-m", *RAY, "seed=1,2"]) == 2
    assert "error: hydra/launcher=ray needs ray\nhint: pip install 'fastrun[sweep]'" in capfd.readouterr().err
    assert not list(folder.glob("outputs/train/sweep-*"))


@pytest.mark.slow
def test_each_job_has_its_row_whatever_became_of_it(
    cluster: None, faults: Path, tiny: Any, rows: Any, capfd: Any
) -> None:
    connected = ["train", "-m", *RAY, "hydra.launcher.ray.init.num_cpus=4", "seed=1,2"]
    assert main(connected) == 2
    assert "init.num_cpus: this process is connected to Ray already" in capfd.readouterr().err
    assert main(["train", *tiny, "-m", *RAY, "+callbacks.fault.kind=fine,raises,killed"]) == 1
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    out, err = capfd.readouterr()
    assert [row["state"] for row in ledger] == ["finished", "failed", "killed"], out + err
    assert [row["exit_code"] for row in ledger] == [0, 1, 137]
    assert ledger[1]["error"] == "RuntimeError: this job raises"
    assert "3 jobs: 1 finished, 1 failed, 1 killed" in out
    assert "ray::" not in out + err
    assert ledger[1]["started"] < ledger[0]["ended"], "two cores hold two jobs"


@pytest.mark.slow
def test_a_job_whose_worker_is_lost_goes_on_from_its_checkpoint_with_the_same_bits(
    cluster: None, faults: Path, tiny: Any, rows: Any
) -> None:
    loss = threading.Thread(target=lost_worker(faults))
    loss.start()
    assert main(["train", *tiny, "-m", *RAY, "+callbacks.fault.kind=waits,fine"]) == 0
    loss.join()
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["state"] for row in ledger] == ["finished", "finished"]
    assert [row["attempts"] for row in ledger] == [2, 1]
    assert "waits 3" in (faults / "began").read_text(), "it went on from its checkpoint"
    lost, whole = (sweep / row["folder"] for row in ledger)
    assert measured(lost) == measured(whole)
    assert len(measured(whole)) > 5


@pytest.mark.slow
@pytest.mark.full
def test_a_job_that_loses_every_worker_is_killed_and_the_others_run(
    cluster: None, faults: Path, tiny: Any, rows: Any
) -> None:
    loss = threading.Thread(target=lost_worker(faults))
    loss.start()
    once = (*RAY, "hydra.launcher.ray.remote.max_retries=0")
    assert main(["train", *tiny, "-m", *once, "+callbacks.fault.kind=waits,fine"]) == 1
    loss.join()
    (sweep,) = faults.glob("outputs/train/sweep-*")
    ledger = rows(sweep)
    assert [row["state"] for row in ledger] == ["killed", "finished"]
    assert ledger[0]["error"] == "its worker on Ray was lost 1 time"
    assert main(["resume", str(sweep)]) == 0
    assert [row["attempts"] for row in rows(sweep)] == [2, 1]


@pytest.mark.slow
@pytest.mark.full
def test_ctrl_c_lets_jobs_save_and_ends_the_ray_that_was_started_for_them(
    faults: Path, tiny: Any, rows: Any, left: Any
) -> None:
    command = [sys.executable, "-m", "fastrun", "train", *tiny, "-m", *RAY, "hydra.launcher.ray.init.num_cpus=2"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    sweep = subprocess.Popen([*command, "+callbacks.fault.kind=waits", "seed=1,2,3"], cwd=faults, env=environ, **pipes)
    written(faults / "pid-waits")
    sweep.send_signal(signal.SIGINT)
    out, _ = sweep.communicate(timeout=90)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert sweep.returncode == 130, out
    assert "interrupted" in {row["state"] for row in rows(folder)}, out
    assert rows(folder)[2]["state"] == "waiting"
    assert f"fastrun resume {folder.relative_to(faults)}" in out
    assert left() == []


@pytest.mark.slow
@pytest.mark.full
def test_a_study_on_ray_measures_seconds_on_the_whole_machine(cluster: None, folder: Path, capfd: Any) -> None:
    run = ("+recipe=mlp_fast", "data=digits", "device=cpu", "epochs=6", "target.value=0.95")
    assert main(["ablate", *run, "study.factors=[optimizer]", "study.plain=false", "sweep.jobs=2", *RAY]) == 0
    (study,) = folder.glob("outputs/mlp_fast/study-*")
    assert json.loads((study / "study.json").read_text())["place"] == [*RAY]
    assert (study / "verdicts.json").is_file()
