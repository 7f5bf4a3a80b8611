"""Planted bottlenecks have to be named. Other work on the machine is taken out of all but the busy one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fastrun.compose import compose
from fastrun.tune.diagnose.diagnosis import Diagnosis, diagnose
from fastrun.tune.diagnose.verdict import judge

pytestmark = [pytest.mark.slow, pytest.mark.full]

SECONDS = 4.0
RARELY = ["val_every=100%", "checkpoint=none", "epochs=50", "amp=off"]
ROWS = ["data=synthetic", "data.shape=[64]", "data.samples=4096"]
DENSE = [*ROWS, "model=mlp", "model.hidden=[64]"]
IMAGES = ["data=synthetic", "data.samples=512", "data.shape=[16,16,16]", "model.width=32"]
MODULE = """
import time

import torch
from torch import nn
from torch.utils.data import Dataset


class Sleeper(Dataset):
    def __len__(self):
        return 256

    def __getitem__(self, index):
        time.sleep(0.001)
        return torch.full((64,), float(index)), index % 10


class Thinker(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Linear(64, num_classes)

    def forward(self, x):
        for row in range(len(x)):
            sum(number * number for number in range(500))
        return self.layer(x)


def sleeper():
    return {"train": Sleeper(), "val": Sleeper()}
"""


@pytest.fixture
def planted(folder: Path) -> Path:
    """A folder with a data set and a model of the user's own."""
    (folder / "mymod.py").write_text(MODULE)
    for group, name in (("data", "sleeper"), ("model", "Thinker")):
        (folder / "conf" / group).mkdir(parents=True)
        (folder / "conf" / group / f"{name.lower()}.yaml").write_text(f"_target_: mymod.{name}\n")
    return folder


def as_on_a_quiet_machine(diagnosis: Diagnosis) -> str:
    measured = diagnosis.measured
    return judge(replace(measured, steps=replace(measured.steps, cpu_share=1.0, drift=0.0)))[0].name


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("input-bound", ["data=sleeper", "model=mlp", "model.hidden=[64]", "batch.size=32", *RARELY]),
        ("host-bound", [*ROWS, "model=thinker", "batch.size=64", *RARELY]),
        ("host-bound", [*DENSE, "batch.size=2", *RARELY]),
        ("validation-bound", [*DENSE, "data.val_fraction=0.8", "val_every=1", "checkpoint=none", "steps=200"]),
        ("checkpoint-bound", [*DENSE, "checkpoint.every=1", "val_every=100%", "steps=200"]),
        ("compute-bound", [*IMAGES, "batch.size=64", *RARELY]),
    ],
    ids=["slow loader", "slow host code", "tiny batch", "huge validation", "checkpoints every step", "none"],
)
def test_a_planted_bottleneck_is_named(planted: Path, name: str, overrides: list[str]) -> None:
    diagnosis = diagnose(compose(overrides), SECONDS)
    assert as_on_a_quiet_machine(diagnosis) == name, diagnosis.measured
    assert all(outcome.candidate.overrides for outcome in diagnosis.outcomes)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to a core")
def test_a_busy_machine_is_named(folder: Path) -> None:
    with on_one_core_with_burning_processes(2):
        diagnosis = diagnose(compose([*DENSE, *RARELY]), SECONDS)
    assert diagnosis.verdict.name == "busy machine", diagnosis.measured.steps


@contextmanager
def on_one_core_with_burning_processes(count: int) -> Iterator[None]:
    """Share one core with processes that never rest."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, before)
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


def test_a_slow_loader_is_helped_by_worker_processes(planted: Path) -> None:
    own = ["data=sleeper", "model=mlp", "model.hidden=[64]", "batch.size=32", "pipeline=plain"]
    diagnosis = diagnose(compose([*own, *RARELY]), 2 * SECONDS)
    helped = [outcome for outcome in diagnosis.outcomes if outcome.helps]
    assert any(outcome.candidate.changes["pipeline.kind"] == "workers" for outcome in helped), diagnosis.outcomes
    assert diagnosis.best is not None
    assert diagnosis.best.candidate.overrides[0] == "pipeline=workers"
