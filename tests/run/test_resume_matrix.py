"""Wherever a run is broken off, and however it feeds and groups its steps, it ends like one left alone, to the bit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.components.amp.precision import Precision
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.run_dir import RunDir

pytestmark = pytest.mark.slow

# 12 steps an epoch; a validation every 6, a checkpoint every 5 and where a validation was the best so far
RUN = ["data=synthetic", "data.samples=128", "data.shape=[1,8,8]", "data.noise=3", "augment=crop_flip",
       "batch.size=8", "epochs=3", "checkpoint.every=5", "val_every=6", "schedule=cosine", "schedule.warmup=20%",
       "clip=norm", "ema=ema", "early_stopping=patience", "early_stopping.patience=9", "target.value=0.2",
       "target.stop=false"]  # fmt: skip
FAULT = """
from pathlib import Path
import pytorch_lightning as pl

class Fault(pl.Callback):
    def __init__(self, hook, at):
        self.at = at
        setattr(self, hook, self.look)
    def look(self, trainer, module, *_):
        if module.state.step >= self.at:
            self.fail()
    def fail(self, *_):
        if not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("a fault")

class InValidation(Fault):
    def look(self, trainer, module, *_):
        if module.state.step >= self.at and not Path("failed").exists():
            module.metrics.measure = self.fail  # which is called with the averaged weights in place
"""
MLP = ["model=mlp", "model.hidden=[16]", "model.dropout=0.2"]
MOMENTS = {
    "in an epoch": ("Fault", "on_train_batch_end", 14),
    "on an epoch's last step": ("Fault", "on_train_batch_end", 12),
    "on an epoch's last step, saved": ("Fault", "on_train_batch_end", 12, "checkpoint.every=4"),
    "on an epoch's first step": ("Fault", "on_train_batch_start", 12, "checkpoint.every=4"),
    "before a validation": ("Fault", "on_validation_start", 18),
    "in a validation": ("InValidation", "on_validation_start", 18),
    "after a validation": ("Fault", "on_validation_end", 18),
    "in the last validation": ("InValidation", "on_validation_start", 36),
    "after the last step": ("Fault", "on_train_end", 36),
    "before anything is saved": ("Fault", "on_train_batch_end", 3),
}
WAYS = {
    "one step a call": ["speed.steps_per_call=1"],
    "three steps a call": ["speed.steps_per_call=3"],
    "eight steps a call": ["speed.steps_per_call=8"],
    "no workers": ["pipeline=workers", "pipeline.num_workers=0"],
    "two workers": ["pipeline=workers", "pipeline.num_workers=2"],
    "plain": ["pipeline=plain"],
    "accumulation": ["batch.accumulate=2", "batch.drop_last=false", "batch.size=7"],
    "norms and SWA": ["model=cnn", "model.width=4", "ema=swa", "ema.start=20%", "ema.refit=2"],
    "patience that ends": ["early_stopping.patience=2", "early_stopping.min_delta=1"],
    "a line every few steps": ["log_every=4"],
    "mixed images": ["augment=mixup", "augment.flip=alternating", "speed.steps_per_call=8"],
    "minutes": ["checkpoint.every=10min"],
}  # fmt: skip


def same(one: Any, other: Any, where: str = "checkpoint") -> None:
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - {"clock", "train_seconds", "wall_seconds", "callbacks", "config"}:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for place, pair in enumerate(zip(one, other, strict=True)):
            same(*pair, f"{where}[{place}]")
    else:
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, where


def told(run: Path) -> list[str]:
    """The lines that a person saw an epoch: its mean loss and what was measured, without seconds."""
    found = re.findall(r"(epoch \d.*?)  [\d,]+ samples/s", (run / "run.log").read_text())
    return sorted(set(found))  # an epoch that was broken off after it ended is told twice


def check(whole: Path, run: Path, lines) -> None:
    kept = [torch.load(max(path.glob("checkpoints/*.ckpt")), weights_only=True) for path in (run, whole)]
    same(*kept)
    for state in kept[0]["callbacks"]:
        if "Fault" not in state and "InValidation" not in state:
            same(kept[0]["callbacks"][state], kept[1]["callbacks"][state], state)
    measured, alone = ([{**line, "train_seconds": 0} for line in lines(path)] for path in (run, whole))
    assert measured == alone
    assert told(run) == told(whole)
    seconds = [line["train_seconds"] for line in lines(run)]
    assert seconds == sorted(seconds)
    assert RunDir(run).read("summary.json")["best"] == RunDir(whole).read("summary.json")["best"]
    clock = RunDir(run).read("summary.json")["clock"]
    assert clock["total"] >= sum(spent for phase, spent in clock.items() if phase != "total") - 1e-6


def broken_off(folder: Path, moment: str, *overrides: str) -> Path:
    (folder / "fault.py").write_text(FAULT)
    kind, hook, at, *more = MOMENTS[moment]
    fault = f"+callbacks.fault={{_target_: fault.{kind}, hook: {hook}, at: {at}}}"
    with pytest.raises(RuntimeError, match="a fault"):
        fastrun.train([*RUN, *overrides, *more, "name=failed", fault], quiet=True)
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    return run


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_broken_off_at_any_moment_ends_like_one_left_alone(folder: Path, lines, moment: str) -> None:
    chosen = [*MLP, "speed.steps_per_call=2"]
    run = broken_off(folder, moment, *chosen)
    whole = fastrun.train([*RUN, *chosen, *MOMENTS[moment][3:], "name=whole"], quiet=True).directory
    check(whole, run, lines)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_broken_off_ends_like_one_left_alone_however_it_is_fed(folder: Path, lines, way: str) -> None:
    chosen = [*(MLP if "model=cnn" not in WAYS[way] else []), *WAYS[way]]
    run = broken_off(folder, "in an epoch", *chosen)
    check(fastrun.train([*RUN, *chosen, "name=whole"], quiet=True).directory, run, lines)


def test_a_scaler_of_gradients_goes_on_where_it_was(folder: Path, lines, monkeypatch) -> None:
    def fp16(kind: str, device: torch.device) -> Precision:
        return Precision("16-mixed", "a scaler without a GPU", "cpu", torch.amp.GradScaler("cpu", growth_interval=3))

    monkeypatch.setattr("fastrun.training.builders.parts.choose_precision", fp16)
    run = broken_off(folder, "in an epoch", *MLP)
    whole = fastrun.train([*RUN, *MLP, "name=whole"], quiet=True).directory
    check(whole, run, lines)
    scaler = torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["fastrun"]["scaler"]
    assert scaler["scale"] != torch.amp.GradScaler("cpu").get_scale()


def test_from_an_older_checkpoint_a_run_still_ends_like_one_left_alone(folder: Path, lines, monkeypatch) -> None:
    def damage(self: RunDir) -> tuple[SavedCheckpoint, list[SavedCheckpoint]]:
        newest = self.saved_checkpoints()[0].path
        newest.write_bytes(newest.read_bytes()[:-1])
        return find(self)

    find = RunDir.newest_good
    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "newest_good", damage)
        run = broken_off(folder, "in an epoch", *MLP)
    assert "is damaged: passed over" in (run / "run.log").read_text()
    check(fastrun.train([*RUN, *MLP, "name=whole"], quiet=True).directory, run, lines)


@pytest.mark.parametrize(
    "stopping",
    [["early_stopping.patience=1", "early_stopping.min_delta=1"], ["target.value=0.01", "target.stop=true"],
     ["early_stopping=budget", "early_stopping.steps=17"]],
    ids=["patience", "target", "budget"],
)  # fmt: skip
def test_a_run_that_had_stopped_early_stays_stopped(folder: Path, lines, monkeypatch, stopping: list[str]) -> None:
    def fault(*_) -> None:
        raise RuntimeError("a fault")

    has_budget = "early_stopping=budget" in stopping
    general = [override for override in RUN if not (has_budget and "patience" in override)]
    chosen = [*general, *MLP, *stopping]
    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_summary", fault)
        with pytest.raises(RuntimeError, match="a fault"):
            fastrun.train([*chosen, "name=failed"], quiet=True)
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    whole = fastrun.train([*chosen, "name=whole"], quiet=True).directory
    check(whole, run, lines)
    summaries = [RunDir(path).read("summary.json") for path in (run, whole)]
    assert summaries[0]["stopped"] == summaries[1]["stopped"]
    assert summaries[0]["steps"] == summaries[1]["steps"] < 36
    assert main(["resume", str(whole), "steps=36", *(["early_stopping.steps=36"] if has_budget else [])]) == 0
    further = RunDir(whole).read("summary.json")
    assert further["steps"] > summaries[1]["steps"]
