"""Whatever a user gets wrong: its exit code, one line of error and one of hint, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastrun.cli

COMPOSING = [
    (["train", "views=mirrored"], 2, "did you mean mirror?"),
    (["trian"], 2, "did you mean train?"),
    ([], 2, ""),
    (["train", "--foo"], 2, "fastrun train --help"),
    (["train", "+recipe=resnt_amp"], 2, "did you mean resnet_amp?"),
    (["train", "optimzer=adam"], 2, "did you mean optimizer?"),
    (["train", "+optimzer=adam"], 2, "did you mean optimizer?"),
    (["train", "optimizer=admw"], 2, "did you mean adamw?"),
    (["train", "init=none"], 2, "choose from auto"),
    (["train", "lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "+lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "optimizer.lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "batch.sze=3"], 2, "did you mean batch.size?"),
    (["train", "+batch.foo=3"], 2, "batch"),
    (["train", "epochs=abc"], 2, "epochs"),
    (["train", "seed=1.5"], 2, "seed"),
    (["train", "batch.size=big"], 2, "batch.size"),
    (["train", "batch.size=0"], 2, "the least is 1"),
    (["train", "batch.lr_scaling=quadratic"], 2, "choose from none, linear, sqrt"),
    (["train", "clip=norm", "clip.max=0"], 2, "above 0"),
    (["train", "clip=acg"], 2, "did you mean agc?"),
    (["train", "clip=agc", "clip.eps=-1"], 2, "the least is 0"),
    (["train", "ema=ema", "ema.decay=1"], 2, "below 1"),
    (["train", "batch.accumulate=1000"], 2, "larger than batch.size"),
    (["train", "a b"], 2, "key=value"),
    (["train", "epochs=[1"], 2, "key=value"),
    (["train", "name=../../x"], 2, "cannot be a folder"),
    (["train", "recipe=resnet_amp"], 2, "+recipe="),
    (["train", "model=mlp", "model.depth=3"], 2, "which option has it"),
    (["train", "model._target_=nowhere.Net"], 2, "no such module"),
    (["train", "model._target_=os.system"], 2, "add trust=os"),
    (["train", "trust=../os"], 2, "write trust=package"),
    (["train", "+trust=os"], 2, "write trust=NAME"),
    (["resume"], 2, "fastrun resume --help"),
    (["recipes", "nothing_like_it"], 2, "`fastrun recipes` lists them"),
    (["options", "optimzer"], 2, "did you mean optimizer?"),
    (["options", "optimizer", "--plot"], 2, "options schedule --plot"),
    (["options", "--plot"], 2, "options schedule --plot"),
    (["options", "schedule", "schedule.warmup=5%"], 2, "goes with --plot"),
    (["options", "schedule", "--png", "a.png"], 2, "goes with --plot"),
    (["options", "schedule", "--plot", "schedule.gama=1"], 2, "did you mean schedule.gamma?"),
    (["options", "schedule", "--plot", "schedule=wds"], 2, "did you mean wsd?"),
    (["options", "schedule", "--plot", "optimizer.lr=1"], 2, "shapes no schedule"),
    (["options", "schedule", "--plot", "schedule.rise=20ep"], 2, "more than the 1000 of the run"),
    (["options", "schedule", "--plot", "epochs=0"], 2, "the least is 1"),
    (["options", "schedule", "--plot", "--png", "nowhere/a.png"], 7, "--png FILE"),
    (["eval", "nowhere"], 6, "not a run directory"),
    (["resume", "nowhere"], 6, "not a run directory"),
    (["runs", "nowhere"], 7, "not a folder"),
]

TRAINING = [
    (["train", "+model.wdth=3"], 2, "did you mean width?"),
    (["train", "+optimizer.foo=1"], 2, "it takes params, lr"),
    (["train", "optimizer.lr=abc"], 2, "wants float"),
    (["train", "augment=flip", "augment.flip=sometimes"], 2, "choose from none, random, alternating"),
    (["train", "views=mirror", "model=mlp", "data=synthetic", "data.shape=[8]"], 2, "needs images"),
    (["train", "init=whiten"], 2, "init=auto"),
    (["train", "init=lsuv", "init.samples=1"], 2, "the least is 2"),
    (["train", "model=mlp", "init.zero_residual=true"], 2, "zero_residual=false"),
    (["train", "loss.label_smoothing=1"], 2, "below 1"),
    (["train", "optimizer=muon", "optimizer.ns_steps=0"], 2, "ns_steps=0"),
    (["train", "optimizer.lr=-1"], 2, "Invalid learning rate"),
    (["train", "model.depth=9"], 2, "the nearest is 8"),
    (["train", "model=resnet", "data=synthetic", "data.shape=[8]"], 2, "use model=mlp"),
    (["train", "schedule.warmup=soon"], 2, "5% (of the run)"),
    (["train", "schedule.warmup=100%"], 2, "leaves no steps"),
    (["train", "schedule=wsd", "schedule.decay=99%"], 2, "make it shorter"),
    (["train", "schedule=multistep", "schedule.milestones=[30ep]"], 2, "train longer"),
    (["train", "val_every=0"], 2, "less than a step"),
    (["train", "target.metric=val/accc"], 2, "did you mean val/acc?"),
    (["train", "early_stopping=patience", "early_stopping.metric=val/f2"], 2, "is not measured"),
    (["train", "device=gpu"], 2, "no GPU here"),
    (["train", "amp=fp16"], 2, "needs a GPU"),
    (["train", "speed.fused=true", "optimizer=rmsprop"], 2, "no fused kernels"),
    (["train", "data=fashion_mnist", "data.root=/nowhere"], 3, "not a folder"),
    (["train", "data=synthetic", "data.classes=1"], 3, "one class only"),
    (["train", "data=synthetic", "data.val_fraction=0"], 3, "the val set is empty"),
    (["train", "data=synthetic", "data.val_fraction=1.5"], 2, "nothing to train on"),
    (["train", "+callbacks.mine._target_=torch.nn.ReLU"], 2, "is not a Lightning Callback"),
    (["train", "optimizer.lr=1e30", "optimizer=sgd", "epochs=2"], 4, "try a lower optimizer.lr"),
]


def shown(code: int, err: str) -> str:
    """Check the form of an error and return it."""
    text = err.strip().splitlines()
    if code != 0 and text:
        assert text[0].startswith("error: "), err
        assert len(text) <= 3, err
        assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "code", "hint"), COMPOSING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_config_that_does_not_fit_is_refused_in_a_process_of_its_own(shell, arguments, code, hint) -> None:
    done = shell(*arguments)
    assert done.returncode == code, done.stderr
    assert hint in shown(code, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "hint"), TRAINING, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_run_that_cannot_be_is_refused_and_its_directory_says_so(folder: Path, capfd, arguments, code, hint) -> None:
    if "device=gpu" in arguments or "amp=fp16" in arguments:
        pytest.importorskip("torch")
        import torch

        if torch.cuda.is_available():
            arguments = (
                [*arguments, "device=cpu"] if "amp=fp16" in arguments else ["train", "device=gpu", "device.count=99"]
            )
            hint = hint if "amp=fp16" in arguments else "GPUs here"
    assert fastrun.cli.main(arguments) == code
    assert hint in shown(code, capfd.readouterr().err)
    (status,) = folder.glob("outputs/*/*/status.json")
    assert f'"exit_code": {code}' in status.read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["amp=fp16", "device=cpu"], 2), (["data=fashion_mnist", "data.root=/nowhere"], 3), (["+model.wdth=3"], 2)],
)
def test_errors_past_composing_look_the_same_in_a_process_of_its_own(shell, arguments, code) -> None:
    done = shell("train", *arguments)
    assert done.returncode == code
    assert shown(code, done.stderr).count("\n") == 2


ONE_LEFT = ["data=synthetic", "data.shape=[4]", "data.samples=86", "model=mlp", "batch.drop_last=false", "epochs=1"]


@pytest.mark.parametrize("own", [["batch.size=65"], ["batch.size=13"], ["batch.size=16", "batch.accumulate=15"]])
def test_a_batch_of_one_that_batch_norm_cannot_take_is_refused_before_it_comes_up(folder: Path, capfd, own) -> None:
    assert fastrun.cli.main(["train", *ONE_LEFT, *own]) == 2
    assert "batch.drop_last=true" in shown(2, capfd.readouterr().err)
    assert not list(folder.glob("outputs/*/*/metrics.jsonl"))


@pytest.mark.parametrize("own", [["norm=none"], ["batch.drop_last=true"], ["batch.size=64"]])
def test_elsewhere_a_last_batch_of_one_trains(folder: Path, own) -> None:
    assert fastrun.cli.main(["train", *ONE_LEFT, "batch.size=65", *own]) == 0


UNPOOL = """
from torch import nn
class Net(nn.Module):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.head = nn.Linear(64, num_classes)
    def forward(self, x):
        return self.head(self.unpool(*self.pool(x)).flatten(1))
"""


@pytest.mark.parametrize(("deterministic", "code"), [("true", 2), ("false", 0)])
def test_a_kernel_without_a_deterministic_form_is_refused_only_if_asked_for(shell, folder, deterministic, code) -> None:
    (folder / "unpool.py").write_text(UNPOOL)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/unpool.yaml").write_text("# Pools and unpools\n_target_: unpool.Net\n")
    done = shell("train", "model=unpool", "steps=1", "init=default", f"deterministic={deterministic}")
    assert done.returncode == code, done.stderr
    assert code == 0 or "deterministic=true: max_unpool" in shown(code, done.stderr)


def test_an_output_folder_that_cannot_be_written_is_a_storage_error(shell, folder: Path) -> None:
    (folder / "outputs").write_text("a file where the folder should be")
    done = shell("train", "epochs=1")
    assert done.returncode == 7
    assert "outputs" in shown(7, done.stderr)


def test_a_recipe_that_is_not_yaml_is_named_with_its_line(folder: Path, capfd) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes/mine.yaml").write_text("# @package _global_\n# Mine\nepochs 1\nseed: 2\n")
    assert fastrun.cli.main(["train", "+recipe=mine"]) == 2
    assert "recipes/mine.yaml, line" in shown(2, capfd.readouterr().err)


def test_a_refused_config_leaves_no_folder_behind(folder: Path, capfd) -> None:
    assert fastrun.cli.main(["train", "seed=-1"]) == 2
    assert list(folder.glob("outputs/*/*")) == []


def test_a_traceback_is_shown_on_request(folder: Path, capfd) -> None:
    assert fastrun.cli.main(["--debug", "options", "nothing_like_it"]) == 2
    assert "Traceback" in capfd.readouterr().err


def test_a_bug_is_one_line_too(folder: Path, capfd) -> None:
    (folder / "broken_module.py").write_text("def net(in_shape, num_classes):\n    raise KeyError('oh')\n")
    assert fastrun.cli.main(["train", "model=mlp", "~model.hidden", "~model.activation", "~model.dropout",
                             "model._target_=broken_module.net"]) == 1  # fmt: skip
    assert "--debug shows the traceback" in shown(1, capfd.readouterr().err)
