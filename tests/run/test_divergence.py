"""A loss or a gradient that is not finite never reaches the weights, nor a checkpoint."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.components.amp.precision import Precision
from fastrun.config import registry
from fastrun.errors import Diverged
from fastrun.run import recovery
from fastrun.storage.checkpoint import io
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import Clock

TINY = ["data=synthetic", "data.shape=[4]", "data.classes=2", "data.samples=96", "data.val_fraction=0.2", "model=mlp",
        "model.hidden=[8]", "batch.size=8", "amp=off", "checkpoint.every=3", "val_every=100%"]  # fmt: skip

# A callback that makes what the 7th step sees or computes not finite, unless the rate is low; and can kill the process.
BREAKING = """
import os

import pytorch_lightning as pl
import torch

class Poison(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")

class Break(pl.Callback):
    def __init__(self, how, at=7, times=1, below=None, killed_at=None, number=9, rank=None):
        self.how, self.steps, self.below = how, range(at, at + times), below
        self.killed_at, self.number, self.rank = killed_at, number, rank

    def on_train_batch_start(self, trainer, module, *_):
        if "step" in vars(module.stepper):  # it is in place
            return
        if self.rank not in (None, trainer.global_rank):
            return
        inner, stepper = module.stepper.forward, module.stepper
        step = module.stepper.step

        def noted(number, batch):
            self.step = number + 1
            return step(number, batch)

        def forward(batch, *at):
            rate = stepper.update.optimizer.param_groups[0]["lr"]
            if self.step == self.killed_at:
                os.kill(os.getpid(), self.number)
            if self.step not in self.steps or (self.below is not None and rate < self.below):
                return inner(batch, *at)
            if self.how == "data":
                return inner((torch.full_like(batch[0], float("nan")), batch[1]), *at)
            if self.how == "statistics":
                next(b for name, b in module.net.named_buffers() if "running_var" in name).fill_(float("inf"))
                return inner(batch, *at)
            if self.how == "gradient":
                return Poison.apply(inner(batch, *at))
            return inner(batch, *at) + float("inf")

        module.stepper.step, module.stepper.forward = noted, forward

    def on_exception(self, trainer, module, error):
        torch.save({name: weight.data for name, weight in module.net.named_parameters()}, "weights.pt")
"""


@pytest.fixture
def breaking(folder: Path) -> str:
    """The name of a callback that breaks a step."""
    (folder / "breaking.py").write_text(BREAKING)
    return "+callbacks.breaking._target_=breaking.Break"


def saved(run: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in run.glob("checkpoints/*.ckpt"))


def is_finite(path: Path) -> bool:
    found = torch.load(path, weights_only=True)
    return all(value.isfinite().all() for value in found.get("state_dict", found).values())


@pytest.mark.sampled
@pytest.mark.parametrize("how", ["data", "gradient", "loss"])
def test_a_bad_step_ends_the_run_with_its_number_and_what_to_do(folder, breaking, lines, capfd, how) -> None:
    own = [breaking, f"+callbacks.breaking={{how: {how}, at: 8}}"]
    assert main(["train", *TINY, *own, "epochs=2"]) == 4
    error, hint = capfd.readouterr().err.splitlines()
    said = {"data": "the loss is nan", "gradient": "a gradient is not finite", "loss": "the loss is inf"}
    assert error.startswith(f"error: {said[how]} at step 8")
    (run,) = folder.glob("outputs/train/*")
    assert hint.startswith(f"hint: fastrun resume {run} optimizer.lr=")
    assert "step 6" in hint
    assert RunDir(run).status() == "diverged"
    assert saved(run) == [3, 6]
    assert all(map(is_finite, run.glob("checkpoints/*.ckpt")))
    assert is_finite(folder / "weights.pt")
    assert [line["step"] for line in lines(run)] == list(range(1, 8))


def test_a_rate_that_no_network_survives_leaves_no_bad_checkpoint(folder: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss|weights"):
        fastrun.train([*TINY, "optimizer=sgd", "optimizer.lr=1e30", "checkpoint.every=1", "epochs=2"], quiet=True)
    assert all(map(is_finite, folder.glob("outputs/train/*/checkpoints/*.ckpt")))


def test_weights_that_an_update_made_infinite_are_not_saved(folder: Path) -> None:
    with pytest.raises(Diverged, match="weights or running statistics are not finite after step 1"):
        fastrun.train([*TINY, "optimizer=sgd", "optimizer.lr=1e39", "schedule=constant", "steps=1"], quiet=True)
    assert not list(folder.glob("outputs/train/*/checkpoints/*.ckpt"))


@pytest.mark.sampled
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "by a flag on the device"])
@pytest.mark.parametrize("optimizer", sorted(registry.options("optimizer").keys() - {"own"}))
def test_every_optimizer_keeps_the_weights_finite(folder, breaking, monkeypatch, at_once: bool, optimizer) -> None:
    monkeypatch.setattr("fastrun.training.step.can_raise_at_once", lambda *_: at_once)
    with pytest.raises(Diverged, match="a gradient is not finite at step 3, where"):
        fastrun.train([*TINY, f"optimizer={optimizer}", breaking, "+callbacks.breaking.how=gradient",
                       "+callbacks.breaking.at=3", "checkpoint.every=20", "steps=6"], quiet=True)  # fmt: skip
    assert is_finite(folder / "weights.pt")


@pytest.mark.sampled
@pytest.mark.parametrize("clip", ["norm", "value", "agc"])
@pytest.mark.parametrize("how", ["data", "gradient", "loss"])
def test_the_flag_names_the_first_bad_step(folder, breaking, monkeypatch, lines, how, clip) -> None:
    monkeypatch.setattr("fastrun.training.step.can_raise_at_once", lambda *_: False)
    own = [f"+callbacks.breaking.how={how}", f"clip={clip}", "steps=20", "speed.steps_per_call=5"]
    with pytest.raises(Diverged, match="at step 7") as error:
        fastrun.train([*TINY, breaking, *own], quiet=True)
    assert error.value.step == 7
    (run,) = folder.glob("outputs/train/*")
    assert saved(run) == [3, 6]
    assert is_finite(folder / "weights.pt")
    assert [line["step"] for line in lines(run)] == list(range(1, 7))


def test_a_signal_at_a_bad_step_does_not_have_it_saved(folder, breaking, monkeypatch) -> None:
    monkeypatch.setattr("fastrun.training.step.can_raise_at_once", lambda *_: False)
    how = f"+callbacks.breaking={{how: gradient, killed_at: 7, number: {int(signal.SIGTERM)}}}"
    with pytest.raises(Diverged, match="at step 7"):
        fastrun.train([*TINY, breaking, how, "speed.steps_per_call=1", "steps=20"], quiet=True)
    assert [saved(run) for run in folder.glob("outputs/train/*")] == [[3, 6]]


@pytest.mark.slow
def test_a_flag_that_is_not_raised_changes_no_bit(folder, monkeypatch) -> None:
    runs = []
    for at_once in (True, False):
        monkeypatch.setattr("fastrun.training.step.can_raise_at_once", lambda *_, at_once=at_once: at_once)
        for optimizer in ("adamw", "nesterov", "lion"):
            run = fastrun.train([*TINY, f"optimizer={optimizer}", "steps=5", f"name={optimizer}"], quiet=True)
            runs.append(run.load_model("last").state_dict())
    for one, other in zip(runs[:3], runs[3:], strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


REWIND = ["on_divergence=rewind", "schedule=constant", "optimizer=sgd", "optimizer.lr=0.1", "steps=20"]


def test_a_rewind_goes_on_from_the_newest_checkpoint_with_half_the_rate(folder, breaking, lines, capfd) -> None:
    how = [breaking, "+callbacks.breaking={how: loss, at: 8, below: 0.06}"]
    run = fastrun.train([*TINY, *REWIND, *how])
    assert "the loss is inf at step 8: back to step 6, rates times 0.5 (1 of 3)" in capfd.readouterr().out
    trained = [line for line in lines(run.directory) if "lr" in line]
    assert [line["step"] for line in trained] == list(range(1, 21))
    assert [line["lr"] for line in trained] == [0.1] * 6 + [0.05] * 14
    told = run.summary["heuristics"]["on_divergence"]
    assert told == {
        "requested": "rewind",
        "used": "learning rates times 0.5",
        "why": "the run diverged and was rewound from step 8 to 6",
    }
    config = yaml.safe_load((run.directory / "config.yaml").read_text())
    assert config["on_divergence"]["rewinds"] == [{"at": 8, "to": 6, "factor": 0.5}]


def test_a_rewind_without_checkpoints_starts_over_and_a_second_one_keeps_the_first_factor(folder, breaking, lines):
    how = [breaking, "+callbacks.breaking.how=data", "+callbacks.breaking.below=0.03", "checkpoint=none"]
    tiny = [override for override in TINY if not override.startswith("checkpoint.")]
    run = fastrun.train([*tiny, *REWIND, *how], quiet=True)
    rates = [line["lr"] for line in lines(run.directory) if "lr" in line]
    assert rates == [0.025] * 20


def test_the_clocks_count_what_was_taken_back(folder) -> None:
    path = fastrun.train([*TINY, "steps=3"], quiet=True).directory / "checkpoints/step-00000003.ckpt"
    kept = io.load(path)["fastrun"]["clock"]
    clock = recovery.carry_clock(Clock(time.time(), {phase: seconds + 100 for phase, seconds in kept.items()}), path)
    clock.carry(kept)
    assert clock.state() == pytest.approx({phase: seconds + 100 for phase, seconds in kept.items()}, abs=5)


def test_rewinds_that_do_not_help_end_with_exit_code_4(folder, breaking, capfd) -> None:
    how = [breaking, "+callbacks.breaking.how=data", "on_divergence.times=2"]
    assert main(["train", *TINY, *REWIND, *how]) == 4
    captured = capfd.readouterr()
    assert captured.out.count("back to step 6") == 2
    assert captured.err.startswith("error: the loss is nan at step 7, after 2 rewinds")
    (run,) = folder.glob("outputs/train/*")
    assert RunDir(run).status() == "diverged"


@pytest.mark.slow
def test_a_run_killed_after_a_rewind_ends_as_one_left_alone(folder, breaking, shell, lines) -> None:
    own = [*TINY, *REWIND, "optimizer=adamw", "optimizer.lr=0.1", "model.dropout=0.3", breaking]
    own += ["+callbacks.breaking={how: data, at: 8, below: 0.06}"]
    killed = shell("train", *own, "+callbacks.breaking.killed_at=14", "name=killed")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (run,) = folder.glob("outputs/killed/*")
    assert max(saved(run)) >= 9  # the next one may not have been written yet
    assert main(["resume", str(run), "callbacks.breaking.killed_at=null"]) == 0
    whole = fastrun.train([*own, "name=whole"], quiet=True).directory
    ours, theirs = (torch.load(one / "checkpoints/step-00000020.ckpt", weights_only=True) for one in (run, whole))
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])
    written = [[{**line, "train_seconds": 0} for line in lines(one)] for one in (run, whole)]
    assert written[0] == written[1]
    assert [line["lr"] for line in written[0] if "lr" in line] == [0.1] * 6 + [0.05] * 14


@pytest.mark.full
@pytest.mark.slow
def test_two_processes_agree_on_the_step_and_go_back_together(folder, breaking, new_process, lines) -> None:
    own = [*TINY, *REWIND, breaking, "+callbacks.breaking.how=data", "+callbacks.breaking.below=0.06"]
    done = new_process("train", "device=ddp", "device.count=2", *own)
    assert done.returncode == 0, done.stderr
    assert "the loss is nan at step 7: back to step 6" in done.stdout
    (run,) = folder.glob("outputs/train/*")
    assert [line["lr"] for line in lines(run) if "lr" in line] == [0.1] * 6 + [0.05] * 14
    assert is_finite(run / "checkpoints/step-00000020.ckpt")
    own += ["on_divergence=stop", "+callbacks.breaking.rank=1", "callbacks.breaking.how=loss", "name=stopped"]
    done = new_process("train", "device=ddp", "device.count=2", *own)
    assert done.returncode == 4
    assert done.stderr.startswith("error: the loss is inf at step 7\nhint: fastrun resume")
    assert done.stderr.count("\n") == 2
    (run,) = folder.glob("outputs/stopped/*")
    assert saved(run) == [3, 6]


@pytest.fixture
def half(monkeypatch) -> None:
    """fp16 on the CPU, which fastrun refuses because it is slow there; its scaler is the GPU's."""
    made = lambda *_: Precision("16-mixed", "a test", "cpu", torch.amp.GradScaler("cpu"))  # noqa: E731
    monkeypatch.setattr("fastrun.training.builders.parts.choose_precision", made)


@pytest.mark.usefixtures("half")
def test_fp16_skips_single_steps_and_diverges_where_no_scale_is_small_enough(folder, breaking, lines) -> None:
    own = [*TINY, "norm=none", breaking, "+callbacks.breaking.how=gradient"]
    run = fastrun.train([*own, "steps=12"], quiet=True)
    scaler = torch.load(run.directory / "checkpoints/step-00000012.ckpt", weights_only=True)["fastrun"]["scaler"]
    assert 2.0**10 < scaler["scale"] < 2.0**16
    with pytest.raises(Diverged, match=r"the loss scale of fp16 fell below 0\.0001 by step 3\d"):
        fastrun.train([*own, "+callbacks.breaking.times=50", "steps=50", "name=over"], quiet=True)
    (over,) = folder.glob("outputs/over/*")
    assert len(saved(over)) == 2
    assert all(map(is_finite, over.glob("checkpoints/*.ckpt")))


@pytest.mark.usefixtures("half")
def test_a_loss_that_fp16_cannot_hold_is_not_yet_the_end(folder, breaking) -> None:
    run = fastrun.train(
        [*TINY, "norm=none", breaking, "+callbacks.breaking.how=data", "clip=norm", "steps=12"], quiet=True
    )
    assert run.summary["status"] == "finished"
    assert is_finite(run.directory / "checkpoints/step-00000012.ckpt")


def test_an_optimizer_that_computes_the_loss_itself_is_watched_inside(folder, breaking, lines) -> None:
    own = ["optimizer._target_=torch.optim.LBFGS", "optimizer.lr=0.1", "+optimizer.max_iter=3"]
    own += ["~optimizer.betas", "~optimizer.eps", "~optimizer.weight_decay", "schedule=constant"]
    with pytest.raises(Diverged, match="a gradient is not finite at step 7"):
        fastrun.train([*TINY, *own, breaking, "+callbacks.breaking.how=gradient", "epochs=2"], quiet=True)
    assert is_finite(folder / "weights.pt")
    (run,) = folder.glob("outputs/train/*")
    assert [line["step"] for line in lines(run)] == list(range(1, 7))


def test_statistics_of_norms_that_are_not_finite_are_not_saved(folder, breaking) -> None:
    with pytest.raises(Diverged, match="running statistics are not finite after step 8"):
        fastrun.train([*TINY, breaking, "+callbacks.breaking.how=statistics", "steps=12"], quiet=True)
    (run,) = folder.glob("outputs/train/*")
    assert saved(run) == [3, 6]
