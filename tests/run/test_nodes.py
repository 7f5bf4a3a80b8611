"""Runs on two nodes: network namespaces that a pair of interfaces joins. Only root may make these."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fastrun.storage.run_dir import RunDir

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and ip"),
]

ROOT = Path(__file__).resolve().parents[2]
RUN = ["train", "device=ddp", "device.accelerator=cpu", "data=synthetic", "data.samples=256", "data.shape=[3,8,8]",
       "data.noise=3", "model=resnet", "model.depth=8", "norm=batch", "optimizer=sgd", "batch.size=16", "epochs=60",
       "amp=off", "checkpoint.every=20ep", "speed.trial_seconds=0"]  # fmt: skip
FIRST = "10.77.0.1"


def ip(command: str, check: bool = True) -> None:
    subprocess.run(["ip", *command.split()], check=check, capture_output=True)


@pytest.fixture
def nodes() -> Iterator[tuple[str, str]]:
    """The names of two namespaces, of which the first has the address ``FIRST``."""
    names = f"fr{os.getpid()}a", f"fr{os.getpid()}b"
    try:
        for name in names:
            ip(f"netns add {name}")
        ip(f"link add v0 netns {names[0]} type veth peer name v1 netns {names[1]}")
        for number, name in enumerate(names):
            ip(f"-n {name} addr add 10.77.0.{number + 1}/24 dev v{number}")
            ip(f"-n {name} link set v{number} up")
            ip(f"-n {name} link set lo up")
        yield names
    finally:
        for name in names:
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
            for pid in pids.split():
                subprocess.run(["kill", "-9", pid], check=False)
            ip(f"netns del {name}", check=False)


def launched(nodes: tuple[str, str], folder: Path, *arguments: str) -> list[subprocess.Popen[bytes]]:
    """Start torchrun on both nodes, each with two processes; what they print is in out-0 and out-1."""
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    processes = []
    for number, name in enumerate(nodes):
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", "--nnodes=2",
                   "--nproc-per-node=2", f"--node-rank={number}", f"--master-addr={FIRST}", "--master-port=29500",
                   "-m", "fastrun", *arguments]  # fmt: skip
        with (folder / f"out-{number}").open("w") as out:
            processes.append(subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out))
    return processes


def wait_for(folder: Path, text: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while text not in (found := (folder / "out-0").read_text()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"]


def losses(run: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["train/loss"] for line in lines if "train/loss" in line}


@pytest.mark.parametrize("how", ["cut off", "killed"])
def test_a_node_that_goes_ends_the_run_within_a_minute_and_the_run_goes_on(nodes, folder: Path, how: str) -> None:
    processes = launched(nodes, folder, *RUN, "name=gone")
    wait_for(folder, "epoch 3/60")
    began = time.monotonic()
    if how == "cut off":
        ip(f"-n {nodes[1]} link set v1 down")
    else:
        pids = subprocess.run(["ip", "netns", "pids", nodes[1]], capture_output=True, text=True, check=True).stdout
        subprocess.run(["kill", "-9", *pids.split()], check=True)
    said = wait_for(folder, "has ended or cannot be reached: nothing was heard of it for ")
    assert time.monotonic() - began < 60
    (run,) = folder.glob("outputs/gone/*")
    assert f"hint: go on with: fastrun resume {run}" in wait_for(folder, "hint: go on with")
    assert "error: process 2" in said or "error: process 3" in said
    for process in processes:
        process.wait(timeout=60)
    assert RunDir(run).status() == "failed"
    ip(f"-n {nodes[1]} link set v1 up")
    for arguments in (["resume", str(run)], [*RUN, "name=whole"]):
        assert [process.wait(timeout=120) for process in launched(nodes, folder, *arguments)] == [0, 0]
    (whole,) = folder.glob("outputs/whole/*")
    ours, theirs = weights(run), weights(whole)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert losses(run).keys() == losses(whole).keys() == set(range(1, 721))
