"""``fastrun slurm``: the script that it prints, and what it refuses."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from fastrun.cli.main import main


def script(capsys, *arguments: str) -> list[str]:
    assert main(["slurm", *arguments]) == 0
    text = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    return text.splitlines()


def test_a_script_asks_for_a_process_for_each_gpu(folder: Path, capsys) -> None:
    lines = script(capsys, "--nodes", "2", "--gpus", "4", "--time", "4:00:00", "+recipe=mlp_fast", "optimizer=sgd")
    assert lines[0] == "#!/bin/bash"
    asked = ["job-name=mlp_fast", "nodes=2", "ntasks-per-node=4", "gpus-per-node=4", "time=4:00:00", "signal=USR1@120"]
    assert {f"#SBATCH --{one}" for one in asked} <= set(lines)
    assert shlex.split(lines[-1])[2:] == ["-m", "fastrun", "train", "+recipe=mlp_fast", "optimizer=sgd", "device=ddp"]


def test_a_single_process_keeps_its_device(folder: Path, capsys) -> None:
    lines = script(capsys, "+recipe=mlp_fast", "name=a b")
    assert "#SBATCH --job-name=a_b" in lines
    assert not any("gpus" in line for line in lines)
    assert shlex.split(lines[-1])[-3:] == ["train", "+recipe=mlp_fast", "name=a b"]


def test_a_run_goes_on(folder: Path, capsys, make_run) -> None:
    run = make_run(folder / "outputs/mine/2026-01-01_00-00-00-abcd")
    lines = script(capsys, str(run), "epochs=20", "--processes", "2")
    assert shlex.split(lines[-1])[2:] == ["-m", "fastrun", "resume", str(run), "epochs=20"]
    assert "#SBATCH --ntasks-per-node=2" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nodes", "0"], "--nodes 0 is too small"),
        (["--gpus", "2", "--processes", "2"], "--gpus and --processes do not go together"),
        (["--time", "soon"], "--time soon is no time"),
        (["--partition", "a b"], "--partition a b is no name"),
        (["+recipe=nothing"], "nothing"),
        (["optimizer=sdg"], "sdg"),
        (["seed=1,2"], "seed has several values"),
    ],
)
def test_what_no_cluster_takes_is_refused(folder: Path, capsys, arguments: list[str], message: str) -> None:
    assert main(["slurm", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") <= 2
