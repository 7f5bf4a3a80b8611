"""Every kind of memory that an option has goes on where it was: a run that fails ends like one left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import fastrun
from fastrun.cli.main import main

pytestmark = pytest.mark.slow

RUN = ["data=synthetic", "data.samples=128", "data.shape=[1,8,8]", "data.noise=3", "model=mlp", "model.hidden=[16]",
       "model.dropout=0.2", "batch.size=8", "epochs=2", "checkpoint.every=5", "val_every=4",
       "schedule=cosine"]  # fmt: skip
FAULT = """
from pathlib import Path
import pytorch_lightning as pl

class Fault(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 13 and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("a fault")
"""
OPTIONS = {
    "ema": ["ema=ema"],
    "swa": ["ema=swa", "ema.start=30%", "ema.every=3", "ema.refit=2"],
    "schedulefree": ["optimizer=schedulefree", "schedule=constant"],
    "plateau": ["schedule=plateau", "schedule.patience=0", "schedule.min_delta=1.0"],
    "cycled momentum": ["schedule=onecycle", "schedule.momentum=[0.85,0.95]"],
    "cycled momentum of SGD": ["schedule=onecycle", "schedule.momentum=[0.85,0.95]", "optimizer=nesterov"],
    "agc": ["clip=agc"],
    "randaugment": ["augment=randaugment"],
    "mixed labels": ["loss=bce", "augment=cutmix"],
    "rates by depth": ["optimizer.layer_decay=0.5"],
    "closure": ["optimizer=sgd", "optimizer._target_=torch.optim.LBFGS", "~optimizer.momentum", "amp=off",
                "~optimizer.weight_decay"],
    **{name: [f"optimizer={name}"] for name in ("nadam", "radam", "adafactor", "lion", "lamb", "muon")},
}  # fmt: skip


def last(run: Path) -> dict[str, Any]:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_run_that_fails_and_is_resumed_ends_bit_for_bit_like_one_left_alone(folder: Path, lines, option: str) -> None:
    (folder / "fault.py").write_text(FAULT)
    chosen = [*RUN, *OPTIONS[option], "speed.steps_per_call=2"]
    with pytest.raises(RuntimeError, match="a fault"):
        fastrun.train([*chosen, "name=failed", "+callbacks.fault._target_=fault.Fault"], quiet=True)
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    whole = fastrun.train([*chosen, "name=whole"], quiet=True).directory
    one, other = last(run), last(whole)
    assert_same(one["state_dict"], other["state_dict"])
    assert_same(one["fastrun"].get("evaluation_weights") or {}, other["fastrun"].get("evaluation_weights") or {})
    resumed, alone = ([{**line, "train_seconds": 0} for line in lines(path)] for path in (run, whole))
    assert resumed == alone


@pytest.mark.parametrize("option", ["ema", "swa", "schedulefree"])
def test_what_was_validated_is_what_eval_and_load_model_have(folder: Path, lines, option: str, capsys) -> None:
    run = fastrun.train([*RUN, *OPTIONS[option]], quiet=True)
    measured = [line for line in lines(run.directory) if "val/loss" in line][-1]
    kept = last(run.directory)
    averaged, live = kept["fastrun"]["evaluation_weights"], kept["state_dict"]
    assert any(not torch.equal(averaged[key], live[f"net.{key}"]) for key in averaged)
    assert main(["eval", str(run.directory), "--split", "val", "--ckpt", "last"]) == 0
    assert f"{measured['val/loss']:.4f}" in capsys.readouterr().out
    loaded = run.load_model("last").net.state_dict()
    assert_same(loaded, averaged)


@pytest.mark.parametrize("first", ["true", "false"])
def test_a_run_goes_on_in_another_memory_format(folder: Path, lines, first: str) -> None:
    other = {"true": "false", "false": "true"}[first]
    cnn = ["model=cnn", "model.width=8", "optimizer=adamw", "amp=off", "schedule=constant"]
    chosen = [*[value for value in RUN if not value.startswith(("model", "schedule"))], *cnn]
    whole = fastrun.train([*chosen, f"speed.channels_last={first}"], quiet=True).directory
    run = fastrun.train([*chosen, "epochs=1", f"speed.channels_last={first}", "name=part"], quiet=True).directory
    assert main(["resume", str(run), "epochs=2", f"speed.channels_last={other}"]) == 0
    losses = [[line["train/loss"] for line in lines(path) if "train/loss" in line] for path in (run, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert last(run)["state_dict"].keys() == last(whole)["state_dict"].keys()
