"""The script for GPUs takes all of its paths on the CPU, on tiny networks, and goes on after what fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]

# What the other speedrun is called by, with a network of one layer.
AIRBENCH = """
import os, sys
with open(sys.argv[0]) as f:
    code = f.read()
import torch
import torchvision.transforms as T
from torch import nn
class CifarNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3072, 10)
    def forward(self, x):
        return self.head(x.flatten(1))
def main(run, model):
    data = torch.load(os.path.join("cifar10", "test.pt"))
    x = T.Normalize(torch.zeros(3), torch.ones(3))((data["images"].float() / 255).permute(0, 3, 1, 2))
    accuracy = (model(x).argmax(1) == data["labels"]).float().mean().item()
    print(f"|  {run}  |  eval  |  |  |  {accuracy:.4f}  |  0.0125  |")
    return accuracy
"""
TINY = ["model.widths=[8,8,8]", "batch.size=20", "steps=3", "speed.compile=false", "optimizer.head_lr=0.1"]


def ran(folder: Path, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the rows that the script writes, by their names."""
    out = folder / "out"
    line = [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--out", str(out), "--device", "cpu", "--quick"]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*line, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    rows = json.loads((out / "gpu.json").read_text())["rows"]
    assert len((out / "gpu.md").read_text().splitlines()) > len(rows)
    return {row["name"]: row for row in rows}


@pytest.mark.slow
@pytest.mark.full
def test_every_check_passes_or_says_why_it_cannot_be_made(folder: Path) -> None:
    rows = ran(folder, "--only", "checks")
    skipped = {name: row["detail"] for name, row in rows.items() if row["outcome"] == "skip"}
    assert {row["outcome"] for row in rows.values()} == {"pass", "skip"}
    assert all("GPU" in reason for reason in skipped.values()), skipped
    assert {"precision bf16", "pipeline workers", "planted inf, adamw", "exact resume", "ddp, one process"} <= (
        rows.keys() - skipped.keys()
    )


@pytest.mark.slow
@pytest.mark.full
def test_every_measurement_has_numbers(folder: Path) -> None:
    rows = ran(folder, "--only", "measures", "--rounds", "2")
    assert {row["outcome"] for row in rows.values()} == {"pass"}
    for name in ("step of mlp", "step of resnet", "step of gpt"):
        assert len(rows[name]["values"]["milliseconds"]["fastrun"]) == 2
        assert rows[name]["values"]["ratios"]["plain"] == 1
    assert rows["auto, resnet"]["values"]["best"] in rows["auto, resnet"]["values"]["ratios"]


@pytest.mark.slow
@pytest.mark.full
def test_the_speedrun_runs_beside_the_other_one_on_the_same_tensors(folder: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    (folder / "set/cifar-10-batches-bin").mkdir(parents=True)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        labels, pixels = torch.arange(40) % 10, torch.randint(0, 256, (40, 3072), generator=generator)
        records = torch.cat([labels.unsqueeze(1), pixels], 1).to(torch.uint8)
        (folder / f"set/cifar-10-batches-bin/{name}.bin").write_bytes(records.numpy().tobytes())
    (folder / "other.py").write_text(AIRBENCH)
    asked = ["--only", "speedrun", "--cifar", "set", "--airbench", "other.py", "--airbench-compile", "none"]
    row = ran(folder, *asked, "--seeds", "2", *TINY)["cifar10_speedrun"]
    runs = row["values"]["runs"]
    assert (row["outcome"], len(runs["fastrun"]), len(runs["airbench"])) == ("pass", 2, 2)
    assert [run["train_seconds"] for run in runs["airbench"]] == [0.0125] * 2
    assert all(0 <= run["accuracy"] <= 1 and run["wall_seconds"] > 0 for run in runs["fastrun"])


@pytest.mark.full
def test_without_time_everything_is_skipped_and_a_failure_ends_nothing(folder: Path) -> None:
    rows = ran(folder, "--minutes", "0")
    assert {row["detail"] for row in rows.values()} == {"the budget of time is used up"}
    (folder / "set").mkdir()
    rows = ran(folder, "--only", "measures", "speedrun", "--match", "cifar", "--cifar", "set", code=1)
    assert rows["cifar10_speedrun"]["outcome"] == "fail"
    assert "CIFAR-10 is not in" in rows["cifar10_speedrun"]["detail"]
    assert "DataError" in rows["cifar10_speedrun"]["traceback"]
