"""A device that is full: an error that helps or, where the batch was not the user's choice, the same batch in parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

import fastrun
from fastrun.cli.main import main
from fastrun.config.settings import Settings
from fastrun.errors import OutOfMemory
from fastrun.training.builders.setup import Setup

TINY = ["data=synthetic", "data.shape=[4]", "data.classes=2", "data.samples=600", "model.hidden=[8]", "norm=none",
        "amp=off", "checkpoint.every=3", "val_every=100%", "steps=9", "log_every=1"]  # fmt: skip

# A callback that leaves room for so many samples at a time, from some optimizer step on.
ROOM = """
import weakref

import pytorch_lightning as pl
import torch

class Room(pl.Callback):
    earlier = {}

    def __init__(self, room, kind="gpu", since=5, rank=0):
        self.room, self.kind, self.since, self.rank = room, kind, since, rank

    def on_train_batch_start(self, trainer, module, *_):
        if "step" in vars(module.stepper):  # it is in place
            return
        earlier = self.earlier.setdefault(trainer.default_root_dir, [])
        with open("alive", "a") as file:
            file.write(str(sum(attempt() is not None for attempt in earlier)))
        earlier.append(weakref.ref(module))
        if trainer.global_rank != self.rank:
            return
        inner, step = module.stepper.forward, module.stepper.step

        def noted(number, batch):
            self.step = number + 1
            return step(number, batch)

        def forward(batch, *at):
            if self.step >= self.since and len(batch[0]) > self.room:
                raise {
                    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
                    "cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
                    "python": MemoryError(),
                    "bug": RuntimeError("shapes do not fit"),
                }[self.kind]
            return inner(batch, *at)

        module.stepper.step, module.stepper.forward = noted, forward
"""


@pytest.fixture
def room(folder: Path) -> str:
    """The name of a callback that leaves little room."""
    (folder / "little.py").write_text(ROOM)
    return "+callbacks.room._target_=little.Room"


@pytest.mark.parametrize("kind", ["gpu", "cpu", "python"])
def test_a_full_device_is_exit_code_5_and_says_what_to_try(folder, room, capfd, kind) -> None:
    own = [room, "+callbacks.room.room=4", f"+callbacks.room.kind={kind}", "batch.size=16", "batch.accumulate=2"]
    assert main(["train", "model=mlp", *TINY, *own]) == 5
    error, hint = capfd.readouterr().err.splitlines()
    assert error.startswith("error: out of memory with batch.size=16 in 2 parts")
    assert hint.startswith("hint: try batch.accumulate=4 needs")
    (run,) = folder.glob("outputs/train/*")
    assert yaml.safe_load((run / "config.yaml").read_text())["batch"]["accumulate"] == 2


@pytest.mark.slow
def test_a_process_that_has_no_memory_left_says_so_through_the_first(folder, room, new_process) -> None:
    own = [room, "+callbacks.room.room=4", "+callbacks.room.rank=1", "batch.size=16", "device=ddp", "device.count=2"]
    done = new_process("train", "model=mlp", *TINY, *own)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("error: out of memory with batch.size=16\nhint: try batch.accumulate=2 needs")
    assert done.stderr.count("\n") == 2


def test_another_error_stays_what_it_is(folder, room) -> None:
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fastrun.train([*TINY, "model=mlp", room, "+callbacks.room.room=4", "+callbacks.room.kind=bug"], quiet=True)


def chosen(settings: Settings, setup: Setup) -> Settings:
    """Take the place of the search for a batch size, which is a matter of the machine."""
    return replace(settings, batch=replace(settings.batch, kind="fixed", size=16, found="16 is well"))


def test_a_batch_that_was_found_is_parted_until_it_fits_and_the_run_goes_on(folder, room, monkeypatch, lines, capfd):
    monkeypatch.setattr("fastrun.training.builders.batch_size.choose_batch_size", chosen)
    run = fastrun.train([*TINY, "model=mlp", "batch=auto", room, "+callbacks.room.room=4"])
    out = capfd.readouterr().out
    assert "out of memory with batch.size=16: on with batch.accumulate=2" in out
    assert "out of memory with batch.size=16 in 2 parts: on with batch.accumulate=4" in out
    assert out.count("going on from step 3") == 2
    config = yaml.safe_load((run.directory / "config.yaml").read_text())
    assert (config["batch"]["size"], config["batch"]["accumulate"]) == (16, 4)
    assert run.settings.batch.accumulate == 4
    assert (folder / "alive").read_text() == "000"  # of the attempts before, none was in memory any more
    assert run.summary["heuristics"]["batch"]["why"] == "16 is well; out of memory until accumulate=4"
    assert [line["step"] for line in lines(run.directory) if "train/loss" in line] == list(range(1, 10))


def test_its_weights_are_those_of_a_run_that_took_as_many_parts_from_the_same_checkpoint_on(folder, room, monkeypatch):
    monkeypatch.setattr("fastrun.training.builders.batch_size.choose_batch_size", chosen)
    parted = fastrun.train([*TINY, "model=mlp", "batch=auto", room, "+callbacks.room.room=8"], quiet=True)
    with pytest.raises(RuntimeError, match="shapes"):
        fastrun.train([*TINY, "model=mlp", "batch=auto", "name=by_hand", room, "+callbacks.room={room: 8, kind: bug}"])
    (by_hand,) = folder.glob("outputs/by_hand/*")
    assert main(["resume", str(by_hand), "batch.accumulate=2", "callbacks.room.room=16"]) == 0
    ours, theirs = (newest(run) for run in (parted.directory, by_hand))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def newest(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"]


def test_parts_of_one_sample_are_the_end(folder, room, monkeypatch) -> None:
    monkeypatch.setattr("fastrun.training.builders.batch_size.choose_batch_size", chosen)
    with pytest.raises(OutOfMemory) as error:
        fastrun.train([*TINY, "model=mlp", "batch=auto", room, "+callbacks.room.room=0"], quiet=True)
    assert "in 16 parts" in error.value.message
    assert "a smaller model" in error.value.hint


# A network that has no room for so many samples at a time in an evaluation.
NET = """
import os
import torch
from torch import nn

class Net(nn.Linear):
    def __init__(self, in_shape, num_classes):
        super().__init__(in_shape[0], num_classes)

    def forward(self, x):
        if not self.training and len(x) > int(os.environ.get("ROOM", "1000")):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(x)
"""


@pytest.fixture
def net(folder: Path) -> str:
    """The choice of a network with little room for evaluations."""
    (folder / "narrow.py").write_text(NET)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/narrow.yaml").write_text("# Narrow\n_target_: narrow.Net\n")
    return "model=narrow"


IN_EVALUATION = [value for value in TINY if not value.startswith(("model", "norm"))]


def test_a_device_that_is_full_in_a_validation_names_the_batch_of_validations(net, capfd, monkeypatch) -> None:
    monkeypatch.setenv("ROOM", "10")
    assert main(["train", net, *IN_EVALUATION, "batch.size=16", "batch.eval_size=40"]) == 5
    assert capfd.readouterr().err.splitlines() == [
        "error: out of memory in an evaluation with batch.eval_size=40",
        "hint: try batch.eval_size=20, which changes no result",
    ]


def test_validations_of_a_run_whose_batch_was_found_get_smaller_batches_until_they_fit(
    net, capfd, monkeypatch, lines
) -> None:
    monkeypatch.setenv("ROOM", "20")
    monkeypatch.setattr("fastrun.training.builders.batch_size.choose_batch_size", chosen)
    run = fastrun.train([net, *IN_EVALUATION, "batch=auto"])
    out = capfd.readouterr().out
    assert "in an evaluation with batch.eval_size=64: on with batch.eval_size=32" in out
    assert "in an evaluation with batch.eval_size=32: on with batch.eval_size=16" in out
    assert (run.settings.batch.eval_size, run.settings.batch.accumulate) == (16, 1)
    assert [line["step"] for line in lines(run.directory) if "val/loss" in line] == [9]


def test_an_evaluation_of_a_run_that_has_no_memory_left_is_exit_code_5(net, capfd, monkeypatch) -> None:
    run = fastrun.train([net, *IN_EVALUATION, "batch.size=16"], quiet=True)
    monkeypatch.setenv("ROOM", "10")
    assert main(["eval", str(run.directory), "batch.eval_size=1000"]) == 5
    assert (
        "out of memory in an evaluation with batch.eval_size=76\nhint: try batch.eval_size=38" in capfd.readouterr().err
    )
    assert main(["eval", str(run.directory), "batch.eval_size=10"]) == 0
