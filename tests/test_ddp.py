"""Two processes on the CPU: one run directory, different samples, the same network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

SPY = """
import os
import pytorch_lightning as pl

class Spy(pl.Callback):
    def on_train_start(self, trainer, module):
        feed = module.feed
        seen = [feed.order.epoch(epoch, None)[0].tolist() for epoch in range(2)]
        with open(f"rank-{trainer.global_rank}", "w") as file:
            file.write(repr((seen, trainer.world_size)))
"""


def test_two_processes_train_one_run_on_different_samples(shell, folder: Path, lines) -> None:
    (folder / "spying.py").write_text(SPY)
    own = ["model=mlp", "model.hidden=[16]", "norm=none", "optimizer=sgd", "epochs=2", "amp=off", "batch.size=100"]
    done = shell("train", "device=ddp", "device.count=2", "+callbacks.spy._target_=spying.Spy", *own)
    assert done.returncode == 0, done.stderr
    (run,) = folder.glob("outputs/train/*")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["heuristics"]["device"]["used"] == "2 x cpu"
    assert summary["samples"] == 2000
    (first, world), (second, _) = (eval((folder / f"rank-{rank}").read_text()) for rank in (0, 1))
    assert world == 2
    for epoch in range(2):
        assert len(first[epoch]) == len(second[epoch]) == 500
        assert not set(first[epoch]) & set(second[epoch])
    assert first[0] != first[1]
    assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 21))
    alone = shell("train", "name=alone", *own)
    assert alone.returncode == 0, alone.stderr
    assert_close(run, next(folder.glob("outputs/alone/*")))
    losses = [
        [line["train/loss"] for line in lines(one) if "train/loss" in line]
        for one in (run, next(folder.glob("outputs/alone/*")))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    resumed = shell("resume", str(run), "epochs=3")
    assert resumed.returncode == 0, resumed.stderr
    assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 31))


def assert_close(one: Path, other: Path) -> None:
    """The mean of two processes' gradients is the gradient of the whole batch."""
    a, b = (torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"] for run in (one, other))
    for key, value in a.items():
        torch.testing.assert_close(value, b[key], rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(shell) -> None:
    done = shell("train", "device=ddp", "batch.size=7")
    assert done.returncode == 2
    assert "cannot be shared by 2 processes" in done.stderr
    assert done.stderr.count("\n") <= 3
