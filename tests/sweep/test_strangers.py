"""What the files of a stranger's sweep or run cannot make ``fastrun resume`` do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import fastrun
from fastrun import compose
from fastrun.cli.main import main
from fastrun.storage.job import Job, JobList, JobRecord
from fastrun.sweep.ledger import Ledger

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=64", "model=mlp", "model.hidden=[4]", "steps=2", "device=cpu"]


@pytest.fixture
def sweep(folder: Path) -> Path:
    """A sweep of one job that was killed before it wrote anything."""
    settings = compose.compose([*TINY, "seed=1"])
    job = Job(0, ["seed=1"], [*TINY, "seed=1"], settings, folder / "outputs/sweep/0-seed=1")
    ledger = Ledger.create(job.folder.parent, JobList([job]), settings.sweep)
    ledger.write(JobRecord.of(job))
    return ledger.folder


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["..", ".", "", "../0-x", "/tmp/0-x", "0-x/../..", "1-x", "ledger", 3, None])
def test_a_row_names_a_folder_of_its_own_in_the_sweep_or_is_none(sweep: Path, name: Any) -> None:
    change(sweep / "ledger/00000.json", folder=name)
    assert Ledger.open(sweep).record(0) is None


@pytest.mark.slow
def test_a_row_whose_folder_is_the_one_above_empties_nothing(sweep: Path) -> None:
    other = sweep.parent / "precious"
    other.mkdir()
    (other / "file").touch()
    change(sweep / "ledger/00000.json", folder="..")
    assert main(["resume", str(sweep)]) == 0
    assert (other / "file").exists()
    assert (sweep / "0-again/summary.json").exists()


@pytest.mark.parametrize(
    "said", ["hydra.callbacks.a._target_=b", "++hydra={a: b}", "model@hydra.callbacks.a=mlp", "--config-dir=/tmp", 3]
)
def test_a_row_sets_nothing_of_hydras(sweep: Path, capfd: Any, said: Any) -> None:
    change(sweep / "ledger/00000.json", overrides=[*TINY, said])
    assert Ledger.open(sweep).record(0) is None
    change(sweep / "sweep.json", jobs=[{"sweep_overrides": [], "overrides": [said]}])
    assert main(["resume", str(sweep)]) == 6
    assert "00000.json is broken" in capfd.readouterr().err
    change(sweep / "sweep.json", kind="optuna", arguments=[said])
    assert main(["resume", str(sweep)]) == 6
    assert "says more than values of a run" in capfd.readouterr().err


@pytest.mark.parametrize("link", ["0-seed=1", "ledger/00001.json", "optuna.jsonl", "lock"])
def test_a_sweep_with_a_link_in_it_is_not_gone_on_with(sweep: Path, capfd: Any, link: str) -> None:
    other = sweep.parent / "precious"
    other.mkdir()
    (other / "file").write_text("precious")
    (sweep / link).symlink_to(other if link.startswith("0") else other / "file")
    assert main(["resume", str(sweep)]) == 6
    assert f"{link} is a link" in capfd.readouterr().err
    assert (other / "file").read_text() == "precious"


@pytest.mark.sampled
@pytest.mark.parametrize("link", ["lock", "metrics.jsonl", "run.log", "checkpoints/step-00000001.ckpt"])
def test_a_run_with_a_link_in_it_is_not_gone_on_with(sweep: Path, capfd: Any, link: str) -> None:
    run = sweep / "0-seed=1"
    (run / "checkpoints").mkdir(parents=True)
    (sweep / "file").write_text("precious")
    (run / link).symlink_to(sweep / "file")
    assert main(["resume", str(sweep)]) == 6
    assert f"{link} is a link" in capfd.readouterr().err
    (run / "config.yaml").write_text(json.dumps({"format": 2} | asdict(compose.compose(TINY))))
    assert main(["resume", str(run)]) == 6
    assert f"{link} is a link" in capfd.readouterr().err
    assert (sweep / "file").read_text() == "precious"


@pytest.mark.slow
def test_a_manifest_of_another_step_removes_no_checkpoint(folder: Path) -> None:
    run = fastrun.train([*TINY, "checkpoint.every=1"], quiet=True).directory
    change(run / "checkpoints/step-00000002.json", step=0)
    assert main(["resume", str(run), "steps=3"]) == 0
    assert (run / "checkpoints/step-00000002.ckpt").exists()


HOSTILE = [
    "+hydra.callbacks.a._target_=joblib.load", "hydra.searchpath=[file:///tmp]", "hydra.job.chdir=true",
    "hydra.launcher._target_=os.system", "+hydra.launcher.setup=[touch touched]", "hydra/callbacks=mine",
    "+hydra.launcher.ray.init.address=there:6379", "hydra.launcher.partition=a b",
    "hydra.launcher.submitit_folder=/tmp", "hydra.sweeper._target_=os.system", "--config-path", 3,
]  # fmt: skip


def test_of_what_a_sweep_says_to_hydra_only_launcher_sweeper_and_plain_values_are_read(
    sweep: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "+hydra.launcher.ray.init.num_cpus=2"]
    (sweep.parent.parent / "mine").mkdir()
    folders = ["--config-dir", "outputs/mine", "--config-dir", str(sweep), "--config-dir", "/tmp"]
    change(sweep / "sweep.json", launcher="joblib", hydra=[*plain, *HOSTILE, *folders])
    composed = []
    monkeypatch.setattr(compose, "run", lambda arguments, *_: composed.extend(arguments))
    main(["resume", str(sweep)])
    assert composed == ["-m", *plain, "--config-dir", "outputs/mine"]
    out = capfd.readouterr().out
    assert "sweep.json: +hydra.callbacks.a._target_=joblib.load is not taken from a file" in out


@pytest.mark.parametrize("pid", [0, -1, -2000, True, 1 << 80, "1"])
def test_a_process_id_that_would_reach_others_is_none(pid: Any) -> None:
    from fastrun.system.process import Process

    assert Process.of({"pid": pid}) is None
