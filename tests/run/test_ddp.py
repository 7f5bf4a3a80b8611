"""Two processes on the CPU: one run directory, different samples, the same network."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import torch

from fastrun.cli.main import main
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir

pytestmark = pytest.mark.slow
FULL = pytest.mark.full

SPY = """
import os
import pytorch_lightning as pl

class Spy(pl.Callback):
    def on_train_start(self, trainer, module):
        seen = [module.loaders.train.sampler.epoch(epoch, None)[0].tolist() for epoch in range(2)]
        with open(f"rank-{trainer.global_rank}", "w") as file:
            file.write(repr((seen, trainer.world_size)))
"""


def test_two_processes_train_one_run_on_different_samples(new_process, folder: Path, lines) -> None:
    (folder / "spying.py").write_text(SPY)
    own = ["model=mlp", "model.hidden=[16]", "norm=none", "optimizer=sgd", "epochs=2", "amp=off", "batch.size=100"]
    done = new_process("train", "device=ddp", "device.count=2", "+callbacks.spy._target_=spying.Spy", *own)
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
    alone = new_process("train", "name=alone", *own)
    assert alone.returncode == 0, alone.stderr
    assert_close(run, next(folder.glob("outputs/alone/*")))
    losses = [
        [line["train/loss"] for line in lines(one) if "train/loss" in line]
        for one in (run, next(folder.glob("outputs/alone/*")))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    resumed = new_process("resume", str(run), "epochs=3")
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
        pytest.param(
            [0, 1], "at: 99, first: setup, number: 10", "stopped by a signal while nothing was trained", marks=FULL
        ),
    ],
    ids=["the second", "both"],
)
def test_a_signal_before_the_first_step_stops_all_processes(new_process, folder: Path, ranks, more, said) -> None:
    (folder / "asking.py").write_text(ASKING)
    done = new_process("train", *TWO, f"+callbacks.ask={{_target_: asking.Ask, ranks: {ranks}, {more}}}", **SLURM)
    assert done.returncode == 143, done.stderr
    (run,) = folder.glob("outputs/train/*")
    assert done.stderr == f"error: {said}\nhint: go on with: fastrun resume {run}\n"


@FULL
@pytest.mark.parametrize("ranks", [[1], [0, 1]], ids=["the second", "both"])
def test_a_signal_to_any_process_stops_all_at_the_same_step_and_nothing_is_lost(
    new_process, folder: Path, lines, ranks: list[int]
) -> None:
    (folder / "asking.py").write_text(ASKING)
    done = new_process("train", *TWO, "name=asked", f"+callbacks.ask={{_target_: asking.Ask, ranks: {ranks}, at: 7}}")
    assert done.returncode == 143, done.stderr
    (run,) = folder.glob("outputs/asked/*")
    assert done.stderr == f"error: stopped at step 8, all of it saved\nhint: go on with: fastrun resume {run}\n"
    if ranks != [1]:
        return  # one of the two is enough for what follows
    assert new_process("resume", str(run)).returncode == 0
    assert new_process("train", *TWO, "name=whole").returncode == 0
    (whole,) = folder.glob("outputs/whole/*")
    one, other = weights(run), weights(whole)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    resumed, alone = ([{**line, "train_seconds": 0} for line in lines(path)] for path in (run, whole))
    assert resumed == alone
    assert main(["resume", str(run), "device.count=1", "epochs=3"]) == 0
    assert RunDir(run).read("summary.json")["hardware"]["count"] == 1


DYING = """
import os, signal
from fastrun.components.data.synthetic import synthetic

def data(**given):
    if os.environ.get("LOCAL_RANK") == "1":
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return synthetic(**given)
"""


def test_a_killed_run_leaves_no_process_behind(new_process, folder: Path) -> None:
    (folder / "dying.py").write_text(DYING)
    done = new_process(
        "train", *TWO, "data._target_=dying.data"
    )  # which returns when no process has its output any more
    assert done.returncode == -signal.SIGKILL
    (run,) = folder.glob("outputs/train/*")
    assert RunDir(run).status() == "killed"
    with locked(run):
        pass


LOSING = """
import os, signal, time
from pathlib import Path
import pytorch_lightning as pl

def end(how):
    if how == "bug":
        raise ValueError("a bug of mine")
    if how == "stopped":  # by somebody else, and killed then
        if os.fork() == 0:
            time.sleep(0.5)
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGKILL)

class Lose(pl.Callback):
    def __init__(self, how, at=5):
        self.how, self.at = how, at
    def on_train_batch_end(self, trainer, module, *_):
        workers = Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text()
        Path(f"pid-{trainer.global_rank}").write_text(f"{os.getpid()} {workers}")
        if trainer.global_rank == 1 and module.state.step >= self.at and not Path("lost").exists():
            Path("lost").touch()
            end(self.how)

def data(how, **given):
    from fastrun.components.data.synthetic import synthetic
    if os.environ.get("LOCAL_RANK") == "1":
        end(how)
    return synthetic(**given)

def killed(**given):
    return data("killed", **given)

def bug(**given):
    return data("bug", **given)
"""


def left_behind(folder: Path) -> list[int]:
    """The processes of a run, with their workers, that are still there."""
    pids = [int(pid) for path in folder.glob("pid-*") for pid in path.read_text().split()]
    assert pids
    deadline = time.monotonic() + 10
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        pytest.param("killed", 137, "was killed by SIGKILL, exit code 137", marks=FULL),
        pytest.param("stopped", 137, "was killed by SIGKILL, exit code 137", marks=FULL),
        pytest.param("bug", 1, "ended with exit code 1: ValueError: a bug of mine", marks=FULL),
    ],
)
def test_a_process_that_dies_in_mid_training_ends_the_run_with_its_own_error(
    new_process, folder: Path, lines, how: str, code: int, said: str
) -> None:
    (folder / "losing.py").write_text(LOSING)
    lose = ["pipeline=workers", f"+callbacks.lose={{_target_: losing.Lose, how: {how}}}"]
    done = new_process("train", *TWO, *lose)
    (run,) = folder.glob("outputs/train/*")
    assert done.stderr == f"error: process 1 (of 0 to 1) {said}\nhint: go on with: fastrun resume {run}\n"
    assert done.returncode == code
    assert RunDir(run).status() == "failed"
    assert left_behind(folder) == []
    if how == "killed":
        assert new_process("resume", str(run)).returncode == 0
        assert [line["step"] for line in lines(run) if "train/loss" in line] == list(range(1, 25))


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        pytest.param("killed", 137, "was killed by SIGKILL, exit code 137", marks=FULL),
        pytest.param("bug", 3, "ended with exit code 3: losing.bug raised ValueError: a bug of mine", marks=FULL),
    ],
)
def test_a_process_that_dies_before_all_have_met_ends_the_run(
    new_process, folder: Path, how: str, code: int, said: str
) -> None:
    (folder / "losing.py").write_text(LOSING)
    done = new_process("train", *TWO, f"data._target_=losing.{how}")
    (run,) = folder.glob("outputs/train/*")
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(f"error: process 1 (of 0 to 1) {said}")
    assert done.stderr.count("\n") == 2
    assert RunDir(run).status() == "failed"


@pytest.mark.full
@pytest.mark.parametrize("rank", [0, 1])
def test_nothing_stays_behind_of_a_run_whose_process_is_killed(new_process, folder: Path, rank: int) -> None:
    (folder / "losing.py").write_text(LOSING.replace("global_rank == 1", f"global_rank == {rank}"))
    lose = ["pipeline=workers", "+callbacks.lose={_target_: losing.Lose, how: killed}"]
    assert new_process("train", *TWO, *lose).returncode in (137, -signal.SIGKILL)
    assert len({pid for path in folder.glob("pid-*") for pid in path.read_text().split()}) == 6
    assert left_behind(folder) == []


COUNTING = """
import pytorch_lightning as pl
import torch.distributed as dist
from pathlib import Path

class Count(pl.Callback):
    def on_train_start(self, trainer, module):
        self.calls = 0
        def hook(state, bucket):
            self.calls += 1
            buffer = bucket.buffer().div_(trainer.world_size)
            return dist.all_reduce(buffer, async_op=True).get_future().then(lambda done: done.value()[0])
        trainer.model.register_comm_hook(None, hook)
    def on_train_end(self, trainer, module):
        Path(f"calls-{trainer.global_rank}").write_text(f"{self.calls} {module.state.step}")
"""


@FULL
def test_gradients_in_parts_are_averaged_once_a_step(new_process, folder: Path) -> None:
    (folder / "counting.py").write_text(COUNTING)
    own = ["model=mlp", "model.hidden=[16]", "norm=none", "optimizer=sgd", "epochs=1", "amp=off", "batch.size=100"]
    count = "+callbacks.count._target_=counting.Count"
    parts = new_process("train", "name=parts", "device=ddp", "device.count=2", *own, "batch.accumulate=4", count)
    assert parts.returncode == 0, parts.stderr
    calls, steps = map(int, (folder / "calls-1").read_text().split())
    assert calls == steps == 10
    assert new_process("train", "name=alone", *own).returncode == 0
    assert_close(*(next(folder.glob(f"outputs/{name}/*")) for name in ("parts", "alone")))


def assert_close(one: Path, other: Path) -> None:
    """The mean of two processes' gradients is the gradient of the whole batch."""
    a, b = (torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"] for run in (one, other))
    for key, value in a.items():
        torch.testing.assert_close(value, b[key], rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(new_process) -> None:
    done = new_process("train", "device=ddp", "batch.size=7")
    assert done.returncode == 2
    assert "cannot be divided evenly among 2 processes" in done.stderr
    assert done.stderr.count("\n") <= 3
