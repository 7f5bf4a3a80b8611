"""Killed again and again, at any moment, a run ends like one left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FULL = "FASTRUN_FULL" in os.environ  # set by make test-all
KILLS, STEPS = 50 if FULL else 20, 300
GATE = """
import os, random, time
import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset
from fastrun.components.data.synthetic import synthetic

tell, target, limit = None, 0, 1 << 30  # a pipe to the one who kills, where to tell it, where to wait for it

class Gate(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if tell is not None and module.state.step >= target:
            os.write(tell, b".")
        while module.state.step >= limit:
            time.sleep(1)

class Noisy(Dataset):
    def __init__(self, samples):
        self.samples, self.targets = samples, samples.tensors[1]
    def __len__(self):
        return len(self.samples)
    def __getitem__(self, index):
        x, y = self.samples[index]
        return x + torch.randn(x.shape) * random.random() + float(np.random.rand()), y

def noisy(**given):
    splits = synthetic(**given)
    return splits | {name: Noisy(splits[name]) for name in ("train", "val")}
"""
RUN = ["data=synthetic", "data.samples=512", "data.shape=[1,8,8]", "data.noise=3", "model=mlp", "model.hidden=[16]",
       "model.dropout=0.3", "augment=crop_flip", "amp=off", "batch.size=16", f"steps={STEPS}", "val_every=10",
       "checkpoint.every=5", "speed.steps_per_call=2", "+callbacks.gate._target_=gate.Gate"]  # fmt: skip


MIXED = ["data=synthetic", "data.samples=128", "data.shape=[1,8,8]", "data.noise=3", "amp=off", "steps=24",
         "+callbacks.gate._target_=gate.Gate"]  # fmt: skip
OWN = "data._target_=gate.noisy"  # a user's own data set, which draws at random
# one line of each is chosen at random
OPTIONS = [
    [["model=mlp", "model.hidden=[16]", "model.dropout=0.3"], ["model=mlp", "model.hidden=[8]", "norm=none"],
     ["model=cnn", "model.width=4"], ["model=resnet", "model.width=4"]],
    [[f"optimizer={name}"] for name in ("sgd", "nesterov", "adam", "adamw", "nadam", "radam", "rmsprop", "adagrad",
                                        "adafactor", "lion", "lamb", "muon")]
    + [["optimizer=schedulefree", "schedule=constant"]],
    [[], [], ["schedule=cosine", "schedule.warmup=20%"], ["schedule=onecycle"], ["schedule=step"], ["schedule=wsd"],
     ["schedule=plateau", "schedule.patience=0"], ["schedule=warm_restarts"], ["schedule=polynomial"]],
    [["augment=none"], ["augment=crop_flip"], ["augment=cutout"], ["augment=mixup", "loss=bce"], ["augment=cutmix"],
     ["augment=randaugment"]],
    [["pipeline=resident"], ["pipeline=plain"], ["pipeline=workers", "pipeline.num_workers=1"],
     ["pipeline=workers", OWN, "augment=none"], ["pipeline=plain", OWN, "augment=none"]],
    [["ema=none"], ["ema=ema"], ["ema=swa", "ema.start=30%", "ema.every=3"],
     ["ema=swa", "ema.start=20%", "ema.refit=2"]],
    [["clip=none"], ["clip=norm"], ["clip=value"], ["clip=agc"]],
    [["batch.size=8"], ["batch.size=16", "batch.accumulate=2"], ["batch.size=12", "batch.drop_last=false"]],
    [["checkpoint.every=3"], ["checkpoint.every=1"], ["checkpoint.every=5", "checkpoint.keep=1"],
     ["checkpoint=every", "checkpoint.every=7"]],
    [["val_every=4"], ["val_every=1ep"], ["val_every=5", "early_stopping=patience", "early_stopping.patience=3"]],
    [["speed.steps_per_call=1"], ["speed.steps_per_call=2"], ["speed=plain"], ["speed.fused=false"]],
    [["log_every=1"], ["log_every=3"], ["init=default"], ["init=orthogonal"]],
]  # fmt: skip


def driven(folder: Path, what: str, *given: object) -> Any:
    """Return what a function of killing.py has found."""
    (folder / "gate.py").write_text(GATE)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), what, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("processes", "count", "seconds"),
    [(1, 100, 140.0 if FULL else 20.0), pytest.param(2, 4, 30.0, marks=pytest.mark.full)],
    ids=["one process", "two processes"],
)
def test_random_options_and_random_kills_change_nothing(
    folder: Path, processes: int, count: int, seconds: float
) -> None:
    """As many mixes as there is time for, at least one on each core."""
    lanes = min(2, os.cpu_count() or 1) if processes == 1 else 1
    found = driven(folder, "mixes", count, lanes, seconds, 24, MIXED, OPTIONS, processes)
    assert [told for told in found if told not in ("", "refused")] == []
    assert found.count("") > len(found) // 3


def test_kills_at_random_moments_change_nothing(folder: Path, lines) -> None:
    told = driven(folder, "killed_often", KILLS, STEPS, RUN)
    assert told["killed"] == told["alone"]
    assert len(told["newest"]) == KILLS
    assert told["newest"] == sorted(told["newest"])
    assert told["newest"][0] == []
    assert "no checkpoint yet: starting from the first step" in (folder / "run/run.log").read_text()
    assert [line["step"] for line in lines(folder / "run") if "train/loss" in line] == list(range(1, STEPS + 1))
    run, alone = ([line | {"train_seconds": 0} for line in lines(folder / name)] for name in ("run", "alone"))
    assert run == alone
