"""Two processes on the CPU: one run directory, different samples, the same network."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch

from fastrun.cli.main import main
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir

pytestmark = pytest.mark.slow

SPY = """
import os
import pytorch_lightning as pl

class Spy(pl.Callback):
    def on_train_start(self, trainer, module):
        seen = [module.loaders.train.sampler.epoch(epoch, None)[0].tolist() for epoch in range(2)]
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


ASKING = """
import os
import pytorch_lightning as pl

class Ask(pl.Callback):
    def __init__(self, ranks, at, first="", number=15):
        self.ranks, self.at, self.number = ranks, at, number
        if first:
            setattr(self, first, lambda trainer, module, *_, **named: self.ask(trainer))
    def ask(self, trainer):
        name = f"asked-{trainer.global_rank}"
        if trainer.global_rank in self.ranks and not os.path.exists(name):
            open(name, "x").close()
            os.kill(os.getpid(), self.number)
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= self.at:
            self.ask(trainer)
"""
TWO = ["device=ddp", "device.count=2", "data=synthetic", "data.samples=256", "data.shape=[1,8,8]", "data.noise=3",
       "model=mlp", "model.hidden=[16]", "model.dropout=0.2", "augment=crop_flip", "batch.size=16", "epochs=2",
       "val_every=4", "checkpoint.every=3", "ema=ema", "amp=off", "speed.steps_per_call=2"]  # fmt: skip


# a job of one task, which starts its processes on its own
SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "night", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


def weights(run: Path) -> dict[str, torch.Tensor]:
    saved = torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)
    return saved["state_dict"] | {
        f"averaged {key}": value for key, value in saved["fastrun"]["evaluation_weights"].items()
    }


@pytest.mark.parametrize(
    ("ranks", "more", "said"),
    [
        ([1], "at: 99, first: setup", "stopped at step 2, all of it saved"),
        ([0, 1], "at: 99, first: setup, number: 10", "stopped by a signal while nothing was trained"),
    ],
    ids=["the second", "both"],
)
def test_a_signal_before_the_first_step_stops_all_processes(shell, folder: Path, ranks, more, said) -> None:
    (folder / "asking.py").write_text(ASKING)
    done = shell("train", *TWO, f"+callbacks.ask={{_target_: asking.Ask, ranks: {ranks}, {more}}}", **SLURM)
    assert done.returncode == 143, done.stderr
    (run,) = folder.glob("outputs/train/*")
    assert done.stderr == f"error: {said}\nhint: go on with: fastrun resume {run}\n"


@pytest.mark.parametrize("ranks", [[1], [0, 1]], ids=["the second", "both"])
def test_a_signal_to_any_process_stops_all_at_the_same_step_and_nothing_is_lost(
    shell, folder: Path, lines, ranks: list[int]
) -> None:
    (folder / "asking.py").write_text(ASKING)
    done = shell("train", *TWO, "name=asked", f"+callbacks.ask={{_target_: asking.Ask, ranks: {ranks}, at: 7}}")
    assert done.returncode == 143, done.stderr
    (run,) = folder.glob("outputs/asked/*")
    assert done.stderr == f"error: stopped at step 8, all of it saved\nhint: go on with: fastrun resume {run}\n"
    if ranks != [1]:
        return  # one of the two is enough for what follows
    assert main(["resume", str(run), "device.count=1"]) == 2
    assert shell("resume", str(run)).returncode == 0
    assert shell("train", *TWO, "name=whole").returncode == 0
    (whole,) = folder.glob("outputs/whole/*")
    one, other = weights(run), weights(whole)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    resumed, alone = ([{**line, "train_seconds": 0} for line in lines(path)] for path in (run, whole))
    assert resumed == alone
    assert main(["resume", str(run), "device.count=1", "epochs=3", "--inexact"]) == 0
    assert RunDir(run).read("summary.json")["hardware"]["count"] == 1


DYING = """
import os, signal, time
from pathlib import Path

def data(**_):
    if os.environ.get("LOCAL_RANK") == "1":
        Path("child").touch()
        signal.pause()
    while not Path("child").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_no_process_behind(shell, folder: Path) -> None:
    (folder / "dying.py").write_text(DYING)
    done = shell("train", *TWO, "data._target_=dying.data")  # which returns when no process has its output any more
    assert done.returncode == -signal.SIGKILL
    (run,) = folder.glob("outputs/train/*")
    assert RunDir(run).status() == "killed"
    with locked(run):
        pass


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
