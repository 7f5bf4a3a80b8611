"""A LightningModule is trained by its own steps, with everything that a run has."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.errors import ConfigError, FastrunError

HERE = Path(__file__).parent
QUICK = ["batch.size=8", "amp=off", "speed.threads=1", "val_every=5", "checkpoint.every=5"]
RUNS = {
    "unet": ["model._target_=modules.UNet", "data._target_=modules.DiskModule", "pipeline=plain"],
    "vae": [
        "model._target_=modules.VAE",
        "data=synthetic",
        "data.samples=100",
        "data.shape=[1,4,4]",
        "+model.latent=3",
    ],
    "contrastive": ["model._target_=modules.Contrastive", "data._target_=modules.views", "pipeline=plain"],
}
SWAPPED = {
    "lion": ["optimizer=lion", "schedule=onecycle", "clip=norm"],
    "ema": ["optimizer=nesterov", "schedule=cosine", "ema=ema", "batch.accumulate=2"],
    "bf16": ["optimizer=adamw", "schedule=wsd", "amp=bf16", "pipeline=workers", "pipeline.num_workers=1"],
}
OTHERS = [pytest.param(*pair, marks=pytest.mark.full) for pair in product(RUNS, SWAPPED)]
FAULT = """
from pathlib import Path
import pytorch_lightning as pl

class Fault(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 8 and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("a fault")
"""


@pytest.fixture(autouse=True)
def _modules(folder: Path, monkeypatch) -> None:
    shutil.copy(HERE / "modules.py", folder)
    monkeypatch.syspath_prepend(str(folder))


def last(run: Path) -> dict:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "swapped"), [*zip(RUNS, SWAPPED, strict=True), *OTHERS])
def test_one_that_fails_and_is_resumed_ends_bit_for_bit_like_one_left_alone(folder, lines, name, swapped) -> None:
    (folder / "fault.py").write_text(FAULT)
    chosen = [*QUICK, *RUNS[name], *SWAPPED[swapped], "epochs=3"]
    with pytest.raises(RuntimeError, match="a fault"):
        fastrun.train([*chosen, "name=failed", "+callbacks.fault._target_=fault.Fault"], quiet=True)
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    whole = fastrun.train([*chosen, "name=whole"], quiet=True).directory
    one, other = last(run), last(whole)
    assert all(torch.equal(one["state_dict"][key], other["state_dict"][key]) for key in one["state_dict"])
    resumed, alone = ([{**line, "train_seconds": 0} for line in lines(path)] for path in (run, whole))
    assert resumed == alone


def test_it_takes_the_steps_of_the_same_network_with_the_same_loss(folder: Path, lines) -> None:
    (folder / "twins.py").write_text(
        "import pytorch_lightning as pl\nfrom torch import nn\nfrom torch.nn.functional import cross_entropy\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, in_shape, num_classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, num_classes))\n"
        "class Lit(pl.LightningModule):\n"
        "    def __init__(self, in_shape, num_classes):\n"
        "        super().__init__()\n        self.net = Net(in_shape, num_classes)\n"
        "    def training_step(self, batch, index):\n        return cross_entropy(self.net(batch[0]), batch[1])\n"
        "    def validation_step(self, batch, index):\n        out = self.net(batch[0])\n"
        "        self.log('val_loss', cross_entropy(out, batch[1]))\n"
        "        self.log('val_acc', (out.argmax(1) == batch[1]).float().mean())\n"
    )
    data = ["data=synthetic", "data.samples=100", "data.shape=[1,4,4]", "epochs=2", "augment=flip", "batch.eval_size=7"]
    lit, plain = (
        fastrun.train([*QUICK, *data, f"model._target_=twins.{name}", f"name={name}"], quiet=True)
        for name in ("Lit", "Net")
    )
    ours, theirs = last(lit.directory)["state_dict"], last(plain.directory)["state_dict"]
    assert all(torch.equal(ours[key.replace("net.", "net.net.", 1)], theirs[key]) for key in theirs)
    for own, other in zip(lines(lit.directory), lines(plain.directory), strict=True):
        for key in own.keys() - {"train_seconds"}:
            assert own[key] == pytest.approx(other[key], abs=1e-6)
    assert lit.summary["best"]["metric"] == "val/acc"
    assert lit.summary["heuristics"]["loss"]["used"] == "the model's own"


def test_what_it_logs_is_measured_and_may_be_the_target(folder: Path, lines) -> None:
    run = fastrun.train([*QUICK, *RUNS["unet"], "epochs=8", "optimizer.lr=0.05", "target.metric=val/iou",
                         "target.value=0.5"], quiet=True)  # fmt: skip
    assert run.summary["target"]["reached"]
    line = next(line for line in lines(run.directory) if "val/iou" in line)
    assert line.keys() == {"step", "epoch", "train_seconds", "val/iou", "val/loss"}


def test_steps_of_training_are_counted_and_logged(folder: Path, lines) -> None:
    run = fastrun.train([*QUICK, *RUNS["vae"], "epochs=2", "log_every=1", "speed.steps_per_call=4"], quiet=True)
    training = [line for line in lines(run.directory) if "train/loss" in line]
    assert len(training) == run.summary["steps"]
    assert all("train/kl" in line for line in training)
    assert run.summary["best"]["metric"] == "val/loss"
    assert {"val/loss", "val/recon"} <= run.metrics[-1].keys()


def test_its_own_optimizer_takes_the_steps(folder: Path, capfd) -> None:
    run = fastrun.train([*QUICK, *RUNS["contrastive"], "epochs=1", "optimizer=own", "schedule=constant"])
    groups = last(run.directory)["optimizer_states"][0]["param_groups"]
    assert [(group["lr"], len(group["params"])) for group in groups] == [(0.05, 4)]
    assert "scheduler is not used" in "".join(capfd.readouterr())
    assert run.summary["last"]["val/seen"] == 40


def test_a_module_with_everything_is_loaded_and_measured(folder: Path, capfd) -> None:
    run = fastrun.train([*QUICK, *RUNS["unet"], "epochs=1"], quiet=True)
    capfd.readouterr()
    assert main(["eval", str(run.directory), "--split", "val", "--json"]) == 0
    assert f'"val/iou": {run.summary["last"]["val/iou"]:.6f}'[:-2] in capfd.readouterr().out


BROKEN = {
    "training_step=lambda self, batch, i: None": "training_step returned NoneType, not a loss",
    "automatic_optimization=False": "automatic_optimization=False",
    "optimizer_step=lambda *_, **__: None": "optimizer_step of its own, which would not be called",
    "on_after_backward=lambda self: None": "on_after_backward of its own",
    "train_dataloader=lambda self: []": "train_dataloader of its own",
    "validation_step=lambda self, batch, i: None": "logs no metric and returns none",
    "training_step=lambda self, batch, i: batch['nothing']": "KeyError: 'nothing'",
    "validation_step=lambda self, batch, i: self.log('x', batch['mask'])": "tensor of shape",
    "configure_optimizers=lambda self: [torch.optim.SGD(self.parameters(), 1) for _ in '12']": "2 optimizers",
}


@pytest.mark.parametrize(("change", "message"), BROKEN.items())
def test_one_that_cannot_be_trained_is_refused_in_a_line(folder: Path, change: str, message: str) -> None:
    (folder / "broken.py").write_text(f"import torch, modules\nNet = type('Net', (modules.UNet,), dict({change}))\n")
    optimizer = "own" if "configure" in change else "adamw"
    chosen = [*QUICK, *RUNS["unet"], "model._target_=broken.Net", "epochs=1", f"optimizer={optimizer}"]
    with pytest.raises(ConfigError) as caught:
        fastrun.train(chosen, quiet=True)
    assert message in caught.value.message
    assert not list(folder.glob("outputs/*/*"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["target.metric=val/dice"], "target.metric=val/dice is not measured"),
        (["views=flip"], "views=flip"),
        (["model=mlp", "model._target_=mlp"], "samples are dicts with the keys image, mask, name"),
        (["augment=flip"], "augment needs images"),
        (["optimizer=own"], "UNet has no configure_optimizers"),
    ],
)
def test_what_does_not_fit_it_is_refused(folder: Path, given: list[str], message: str) -> None:
    with pytest.raises(FastrunError) as caught:
        fastrun.train([*QUICK, *RUNS["unet"], *given], quiet=True)
    assert message in str(caught.value)


def test_every_method_that_lightning_calls_is_called_or_refused() -> None:
    from pytorch_lightning.core.hooks import CheckpointHooks, DataHooks, ModelHooks

    from fastrun.training.objective.lightning_module import CALLED, REFUSED

    of_another_loop = ("test_", "predict_", "_test", "_predict", "teardown", "validation_model")
    hooks = {name for kind in (ModelHooks, DataHooks, CheckpointHooks) for name in vars(kind) if name[0] != "_"}
    hooks = {name for name in hooks if not any(part in name for part in of_another_loop)}
    assert hooks <= {*CALLED, *REFUSED}
