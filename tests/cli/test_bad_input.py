"""Every mistake on a command line: exit code, a line of error, a line of hint, no traceback; in forked processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.main import main

ErrorOf = Callable[[subprocess.CompletedProcess[str], int], str]

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]

# Mistakes that show when the config is composed: the exit code and words of the error. No run directory is left.
COMPOSING = [
    # the command line
    (["trian"], 2, "did you mean train?"),
    (["resme", "x"], 2, "did you mean resume?"),
    ([], 2, ""),
    (["train", "--foo"], 2, "fastrun train --help"),
    (["train", "--cfg", "jobs"], 2, "choose from 'job', 'hydra', 'all'"),
    (["train", "--config-dir", "nowhere"], 2, "nowhere' not found"),
    (["train", "--config-name", "nope"], 2, "primary config 'nope'"),
    (["train", "a b"], 2, "key=value"),
    (["train", "'"], 2, "key=value"),
    (["train", "=3"], 2, "write key=value"),
    (["train", "optimizer.lr"], 2, "key=value"),
    (["train", "epochs=[1"], 2, "key=value"),
    (["train", "seed=1,2"], 2, "add -m for a run of each"),
    (["train", "seed=choice(1,2)"], 2, "add -m for a run of each"),
    (["train", "-m", "seed=1,x"], 2, "seed: Value 'x'"),
    (["train", "trust=../os"], 2, "write trust=package"),
    (["train", "+trust=os"], 2, "write trust=NAME"),
    # groups, options, recipes
    (["train", "optimzer=adam"], 2, "did you mean optimizer?"),
    (["train", "+optimzer=adam"], 2, "did you mean optimizer?"),
    (["train", "optimizer=admw"], 2, "did you mean adamw?"),
    (["train", "optimizer=3"], 2, "optimizer=3: no such option\nhint: choose from adafactor"),
    (["train", "optimizer=null"], 2, "choose from adafactor"),
    (["train", "~optimizer"], 2, "`fastrun options optimizer`"),
    (["train", "init=none"], 2, "choose from auto"),
    (["train", "clip=acg"], 2, "did you mean agc?"),
    (["train", "logger=wndb"], 2, "did you mean wandb?"),
    (["train", "+recipe=resnt_amp"], 2, "did you mean resnet_amp?"),
    (["train", "+recipe=[resnet_amp,resnet_sdg]"], 2, "did you mean resnet_sgd?"),
    (["train", "+recipe="], 2, "`fastrun recipes` lists them"),
    (["train", "+recipe=../x"], 2, "no recipe ../x"),
    (["train", "recipe=resnet_amp"], 2, "+recipe="),
    # what other tools call it
    (["train", "optimizer.learning_rate=1"], 2, "did you mean optimizer.lr=1?"),
    (["train", "optimizer.name=adam"], 2, "did you mean optimizer=adam?"),
    (["train", "device=cuda"], 2, "did you mean device=gpu?"),
    (["train", "metric=val/f1"], 2, "did you mean target.metric=val/f1?"),
    (["train", "batch_size=64"], 2, "did you mean batch.size=64?"),
    (["train", "batch=64"], 2, "did you mean batch.size=64?"),
    (["train", "+recipe", "mlp_fast"], 2, "write the = as well: +recipe=mlp_fast"),
    (["train", "+recipe mlp_fast"], 2, "write the = as well: +recipe=mlp_fast"),
    (["train", "+optimizer=sgd"], 2, "leave out the plus: optimizer=sgd"),
    (["train", "+batch.size=3"], 2, "leave out the plus: batch.size=…"),
    (["train", "--epochs", "3"], 2, "--epochs is not a flag\nhint: write epochs=3"),
    (["train", "--learning-rate=0.1"], 2, "did you mean optimizer.lr=0.1?"),
    (["train", "-m", "seed=1,2", "--cfg", "job"], 2, "--multirun and --cfg do not go together"),
    (["train", "~nothing"], 2, "~nothing: there is no such key"),
    (["diff"], 2, "did you mean compare?"),
    (["clean"], 2, "`fastrun --help` lists them"),
    # keys
    (["train", "lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "+lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "+modle.width=3"], 2, "did you mean model?"),
    (["train", "modle.width=3"], 2, "did you mean model.width?"),
    (["train", "eopchs=3"], 2, "did you mean epochs?"),
    (["train", "nothing_like_it=3"], 2, "`fastrun options` lists the groups"),
    (["train", "optimizer.lrr=1"], 2, "did you mean optimizer.lr?"),
    (["train", "batch.sze=3"], 2, "did you mean batch.size?"),
    (["train", "+batch.foo=3"], 2, "batch"),
    (["train", "model=mlp", "model.depth=3"], 2, "which option has it"),
    (["train", "data=synthetic", "data.size=0"], 2, "`fastrun options data` shows which option has it"),
    (["train", "hydra.run.dri=x"], 2, "did you mean hydra.run.dir?"),
    (["train", "+hydra.sweep.dirr=x"], 2, "did you mean hydra.sweep.dir?"),
    (["train", "+hydra.foo=1"], 2, "--cfg hydra"),
    (["train", "hydra/lancher=basic"], 2, "did you mean hydra/launcher?"),
    (["train", "hydra/launcher=nope"], 2, "no such option"),
    # values
    (["train", "epochs=abc"], 2, "epochs"),
    (["train", "epochs="], 2, "epochs: Value ''"),
    (["train", "epochs=null"], 2, "epochs=null: it needs a value"),
    (["train", "epochs=0"], 2, "the minimum is 1"),
    (["train", "steps=-1"], 2, "the minimum is 1"),
    (["train", "seed=1.5"], 2, "seed"),
    (["train", "deterministic=maybe"], 2, "not a valid bool"),
    (["train", "log_every=0"], 2, "the minimum is 1"),
    (["train", "views=mirrored"], 2, "did you mean mirror?"),
    (["train", "target.valu=0.96"], 2, "did you mean target.value?"),
    (["train", "target.level=0.96"], 2, "there is target.metric, target.stop, target.value"),
    (["train", "optimzer.lrr=3"], 2, "did you mean optimizer.lr?"),
    (["train", "target.value=abc"], 2, "target.value: Value 'abc'"),
    (["train", "callbacks=3"], 2, "callbacks: Cannot assign int"),
    (["train", "val_every=0"], 2, "less than a step"),
    (["train", "val_every=often"], 2, "2ep (epochs)"),
    (["train", "checkpoint.every=0"], 2, "less than a step"),
    (["train", "target.metric=val/accc"], 2, "did you mean val/acc?"),
    (["train", "early_stopping=patience", "early_stopping.metric=val/f2"], 2, "did you mean val/"),
    (["train", "batch.size=big"], 2, "batch.size"),
    (["train", "batch.size=0"], 2, "the minimum is 1"),
    (["train", "batch.lr_scaling=quadratic"], 2, "choose from none, linear, sqrt"),
    (["train", "batch.accumulate=1000"], 2, "larger than batch.size"),
    (["train", "clip=norm", "clip.max=0"], 2, "above 0"),
    (["train", "clip=agc", "clip.eps=-1"], 2, "the minimum is 0"),
    (["train", "ema=ema", "ema.decay=1"], 2, "it must be in [0, 1)"),
    (["train", "early_stopping=patience", "early_stopping.patience=0"], 2, "the minimum is 1"),
    (["train", "pipeline=workers", "pipeline.num_workers=-1"], 2, "it must be in [0, 1024]"),
    (["train", "device.accelerator=tpu"], 2, "did you mean gpu?"),
    (["train", "device=ddp", "device.count=0"], 2, "it must be in [1, 1024]"),
    (["train", "name=../../x"], 2, "cannot be a folder"),
    (["train", "outputs="], 2, "name a folder"),
    (["train", "name=${nope}"], 2, "${nope} refers to no key"),
    (["train", "name=${epohcs}"], 2, "did you mean epochs?"),
    (["train", "name=${oc.env:NOPE_X}"], 2, "export NOPE_X="),
    (["train", "outputs=/proc/x"], 7, "outputs=…"),
    (["train", "model._target_=nowhere.Net"], 2, "no such module"),
    (["train", "model._target_="], 2, "no such module"),
    (["train", "model._target_=os.system"], 2, "add trust=os"),
    (["train", "optimizer._target_=torch.optim.AdanW"], 2, "did you mean torch.optim.AdamW?"),
    # the other verbs
    (["resume"], 2, "fastrun resume --help"),
    (["resume", "x", "--foo"], 2, "fastrun resume --help"),
    (["resume", "nowhere"], 2, "not a run directory"),
    (["resume", "."], 2, "not a run directory"),
    (["eval"], 2, "RUN"),
    (["eval", "nowhere"], 2, "not a run directory"),
    (["eval", "x", "--split", "all"], 2, "choose from 'train', 'val', 'test'"),
    (["recipes", "nothing_like_it"], 2, "`fastrun recipes` lists them"),
    (["recipes", "copy", "resnt_amp"], 2, "did you mean resnet_amp?"),
    (["options", "optimzer"], 2, "did you mean optimizer?"),
    (["options", "optimizer", "--plot"], 2, "options schedule --plot"),
    (["options", "--plot"], 2, "options schedule --plot"),
    (["options", "schedule", "schedule.warmup=5%"], 2, "goes with --plot"),
    (["options", "schedule", "--png", "a.png"], 2, "goes with --plot"),
    (["options", "schedule", "--plot", "schedule.gama=1"], 2, "did you mean schedule.gamma?"),
    (["options", "schedule", "--plot", "schedule=wds"], 2, "did you mean wsd?"),
    (["options", "schedule", "--plot", "optimizer.lr=1"], 2, "changes no schedule"),
    (["options", "schedule", "--plot", "schedule.rise=20ep"], 2, "more than the 1000 of the run"),
    (["options", "schedule", "--plot", "epochs=0"], 2, "the minimum is 1"),
    (["options", "schedule", "--plot", "--png", "nowhere/a.png"], 7, "choose another file"),
    (["runs", "nowhere"], 7, "not a folder"),
    (["completion", "fish"], 2, "'bash', 'zsh'"),
    (["version", "x"], 2, "fastrun version --help"),
]

# Mistakes in a run that composes. Those that neither need the data nor the network show before torch is imported.
TRAINING = [
    (["train", "+model.wdth=3"], 2, "did you mean width?"),
    (["train", "+optimizer.foo=1"], 2, "it takes params, lr"),
    (["train", "optimizer.lr=abc"], 2, "expects float"),
    (["train", "optimizer.lr=null"], 2, "expects float"),
    (["train", "optimizer.lr=-1"], 2, "the minimum is 0"),
    (["train", "optimizer.betas=[0.9]"], 2, "optimizer.betas=[0.9] has the wrong type"),
    (["train", "optimizer=muon", "optimizer.ns_steps=0"], 2, "ns_steps=0"),
    (["train", "augment=flip", "augment.flip=sometimes"], 2, "choose from none, random, alternating"),
    (["train", "views=mirror", "model=mlp", "data=synthetic", "data.shape=[8]"], 2, "needs images"),
    (["train", "init=whiten"], 2, "init=auto"),
    (["train", "init=lsuv", "init.samples=1"], 2, "the minimum is 2"),
    (["train", "model=mlp", "init.zero_residual=true"], 2, "zero_residual=false"),
    (["train", "model=mlp", "model.hidden=4"], 2, "model.hidden=4 has the wrong type"),
    (["train", "model=mlp", "model.hidden=[0]"], 2, "the minimum is 1"),
    (["train", "model=mlp", "model.activation=rleu"], 2, "did you mean relu?"),
    (["train", "model.depth=9"], 2, "the nearest is 8"),
    (["train", "model=resnet", "data=synthetic", "data.shape=[8]"], 2, "use model=mlp"),
    (["train", "model._target_=null"], 2, "`fastrun options model`"),
    (["train", "loss.label_smoothing=1"], 2, "it must be in [0, 1)"),
    (["train", "schedule.warmup=soon"], 2, "5% (of the run)"),
    (["train", "schedule.warmup=100%"], 2, "leaves no steps"),
    (["train", "schedule=wsd", "schedule.decay=99%"], 2, "make it shorter"),
    (["train", "schedule=multistep", "schedule.milestones=[30ep]"], 2, "train longer"),
    (["train", "early_stopping=patience", "early_stopping.metric=val/r2"], 2, "is not measured"),
    (["train", "device=gpu"], 2, "finds no GPU"),
    (["train", "amp=fp16"], 2, "needs a GPU"),
    (["train", "speed.fused=true", "optimizer=rmsprop"], 2, "no fused kernels"),
    (["train", "+callbacks.mine._target_=torch.nn.ReLU"], 2, "is not a Lightning Callback"),
    (["train", "+callbacks.mine._target_=pytorch_lightning.callbacks.EarlyStopping"], 2, "callbacks.mine.monitor"),
    (["train", "+callbacks.mine=3"], 2, "callbacks.mine._target_=mymod.name"),
    (["train", "data=fashion_mnist", "data.root=/nowhere"], 3, "not a folder"),
    (["train", "data=synthetic", "data.samples=0"], 2, "the minimum is 1"),
    (["train", "data=synthetic", "data.classes=1"], 3, "one class only"),
    (["train", "data=synthetic", "data.val_fraction=0"], 3, "the val set is empty"),
    (["train", "data=synthetic", "data.val_fraction=1.5"], 2, "it must be in [0, 1)"),
    (["train", "data=image_folder"], 2, "data.root must hold"),
    (["train", "data=image_folder", "data.root=/nowhere", "data.size=0"], 2, "the minimum is 1"),
    (["train", "data=text", "data.root=nope.txt"], 3, "must be a text file"),
    (["train", "transfer=finetune"], 2, "use a run directory"),
    (["train", *TINY, "transfer=finetune", "transfer.source=nope"], 6, "no such file"),
]

# Mistakes in command lines about a run that exists; RUN stands for its directory.
EXISTING = [
    (["resume", "RUN", "epohcs=9"], 2, "did you mean epochs?"),
    (["resume", "RUN", "epochs=x"], 2, "epochs: Value 'x'"),
    (["resume", "RUN", "optimizer=sgd"], 2, "more than a value"),
    (["resume", "RUN", "+model.x=1"], 2, "more than a value"),
    (["resume", "RUN", "steps=1,2"], 2, "more than a value"),
    (["eval", "RUN", "--ckpt", "RUN/checkpoints"], 6, "is a folder"),
    (["eval", "RUN", "--ckpt", "RUN/nope.ckpt"], 6, "does not exist"),
    (["eval", "RUN", "--ckpt", "RUN/config.yaml"], 6, "cannot be read"),
    (["eval", "RUN", "data.shape=[5]"], 3, "the run was trained on uint8 samples of shape [4]"),
    (["resume", "RUN", "model.hidden=[5]"], 6, "its 1.weight has the shape [4, 4], that of this network [5, 4]"),
    (["resume", "RUN", "model.hidden=[]"], 6, "holds another network: its 1.weight has the shape"),
    (["train", "hydra.run.dir=RUN"], 7, "holds a run already"),
    (["train", "model=mlp", "transfer=finetune", "transfer.source=RUN/run.log"], 6, "cannot be read safely"),
]


def row_name(value: object) -> str | None:
    """Return the name of a test case: its command line."""
    return " ".join(value) if isinstance(value, list) else None


@pytest.mark.sampled
@pytest.mark.parametrize(("arguments", "code", "hint"), COMPOSING, ids=row_name)
def test_a_config_that_does_not_fit_is_refused_and_leaves_no_folder(
    shell, folder: Path, arguments, code, hint, error_of: ErrorOf
) -> None:
    assert hint in error_of(shell(*arguments), code)
    assert not list(folder.glob("outputs/*/*"))


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "hint"), TRAINING, ids=row_name)
def test_a_run_that_cannot_start_is_refused_and_leaves_no_directory(
    shell, folder: Path, arguments, code, hint, error_of: ErrorOf
) -> None:
    if "device=gpu" in arguments or "amp=fp16" in arguments:
        import torch

        if torch.cuda.is_available():
            arguments = (
                [*arguments, "device=cpu"] if "amp=fp16" in arguments else ["train", "device=gpu", "device.count=99"]
            )
            hint = hint if "amp=fp16" in arguments else "device.count=99 is too large"
    assert hint in error_of(shell(*arguments), code)
    assert not list(folder.glob("outputs/*/*"))


def test_a_run_that_diverges_in_its_first_steps_keeps_its_directory(shell, folder: Path, error_of: ErrorOf) -> None:
    done = shell("train", *TINY, "optimizer=sgd", "optimizer.lr=1e30", "steps=9", "data.samples=1000")
    assert "start again with optimizer.lr=0.1 (" in error_of(done, 4)
    (status,) = folder.glob("outputs/*/*/status.json")
    assert json.loads(status.read_text())["exit_code"] == 4


@pytest.fixture(scope="module")
def finished(forking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that has finished."""
    folder = tmp_path_factory.mktemp("finished")
    assert forking.run(folder, "train", *TINY).returncode == 0
    (found,) = folder.glob("outputs/*/*")
    return found


@pytest.mark.sampled
@pytest.mark.parametrize(("arguments", "code", "hint"), EXISTING, ids=row_name)
def test_a_mistake_about_a_run_leaves_it_as_it_is(shell, finished, arguments, code, hint, error_of: ErrorOf) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    err = error_of(shell(*[argument.replace("RUN", str(finished)) for argument in arguments]), code)
    assert hint in err
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["trian"], 2, "did you mean train?"),
        (["train", "+recipe=resnt_amp"], 2, "did you mean resnet_amp?"),
        pytest.param(["train", "amp=fp16", "device=cpu"], 2, "needs a GPU", marks=pytest.mark.slow),
    ],
    ids=row_name,
)
def test_the_console_script_reports_the_same_errors(shell, arguments, code, hint, error_of: ErrorOf) -> None:
    assert hint in error_of(shell(*arguments), code)


ONE_LEFT = ["data=synthetic", "data.shape=[4]", "data.samples=86", "model=mlp", "batch.drop_last=false", "epochs=1"]


@pytest.mark.sampled
@pytest.mark.parametrize("more", [["batch.size=65"], ["batch.size=13"], ["batch.size=16", "batch.accumulate=15"]])
def test_a_last_batch_of_one_is_refused_at_the_start_with_batch_norm(
    shell, folder: Path, more, error_of: ErrorOf
) -> None:
    assert "batch.drop_last=true" in error_of(shell("train", *ONE_LEFT, *more), 2)
    assert not list(folder.glob("outputs/*/*/metrics.jsonl"))


@pytest.mark.sampled
@pytest.mark.parametrize("more", [["norm=none"], ["batch.drop_last=true"], ["batch.size=64"]])
def test_a_last_batch_of_one_trains_without_batch_norm(shell, more) -> None:
    assert shell("train", *ONE_LEFT, "batch.size=65", *more).returncode == 0


def test_an_output_folder_that_cannot_be_written_is_a_storage_error(shell, folder: Path, error_of: ErrorOf) -> None:
    (folder / "outputs").write_text("a file where the folder should be")
    assert "outputs" in error_of(shell("train", "epochs=1"), 7)


def test_the_last_value_of_a_key_that_is_given_twice_counts(shell, folder: Path) -> None:
    assert shell("train", *TINY, "optimizer=sgdd", "optimizer=sgd", "seed=1", "seed=3").returncode == 0
    (summary,) = folder.glob("outputs/*/*/summary.json")
    assert json.loads(summary.read_text())["seed"] == 3


def test_a_traceback_is_shown_on_request(folder: Path, capfd) -> None:
    assert main(["--debug", "options", "nothing_like_it"]) == 2
    assert "Traceback" in capfd.readouterr().err
