"""Nothing that is typed is dropped: values of options that are not chosen, keys that are taken away, targets."""

from __future__ import annotations

import pytest

import fastrun
from fastrun.cli.main import main
from fastrun.compose import compose, from_config
from fastrun.errors import ConfigError
from fastrun.storage.run_dir import RunDir

DROPPED = [
    (["clip.max=5"], "clip.max=5: clip=none does not use it", "choose clip=agc or clip=norm or clip=value"),
    (["clip=norm", "clip.eps=1e-3"], "clip.eps=1e-3: clip=norm does not use it", "choose clip=agc"),
    (["ema.decay=0.9"], "ema.decay=0.9: ema=none does not use it", "choose ema=ema"),
    (["ema=swa", "ema.decay=0.9"], "ema.decay=0.9: ema=swa does not use it", "choose ema=ema"),
    (["early_stopping.seconds=5"], "early_stopping=none does not use it", "choose early_stopping=budget"),
    (["checkpoint=none", "checkpoint.keep=3"], "checkpoint=none does not use it", "checkpoint=standard"),
    (["batch=auto", "batch.size=64"], "batch.size=64: batch=auto does not use it", "choose batch=fixed"),
    (["pipeline=plain", "pipeline.num_workers=4"], "pipeline=plain does not use it", "pipeline=workers"),
    (["on_divergence.times=5"], "on_divergence=stop does not use it", "choose on_divergence=rewind"),
    (["transfer=linear_probe", "transfer.freeze=1ep"], "transfer=linear_probe does not", "choose transfer=finetune"),
    (["+augment.mixup=0.2"], "augment.mixup=0.2: augment=none does not use it", "augment="),
    (["batch.base_size=64"], "batch.lr_scaling=none does not use it", "choose batch.lr_scaling=linear"),
    (["speed.compile_mode=max-autotune"], "speed.compile=null does not use it", "choose speed.compile=true"),
    (["+recipe=fashion_fast", "epochs=3"], "epochs=3: steps=820 goes before it", "add steps=null"),
    (["~epochs"], "~epochs: every run needs it", "epochs=…"),
    (["~batch.size"], "~batch.size: every run needs it", "batch.size=…"),
    (["~optimizer"], "~optimizer: every run needs one", "`fastrun options optimizer`"),
    (["~optimizer=adamw"], "~optimizer: every run needs one", "`fastrun options optimizer`"),
    (["~model._target_"], "~model._target_: every run needs one", "`fastrun options model`"),
    (["+optimizer=sgd"], "+optimizer=sgd: every run has this group", "leave out the plus: optimizer=sgd"),
    (["target.metric=val/acc", "target.value=95"], "target.value=95 cannot be reached", "target.value=0.95"),
    (["+recipe=mlp_fast", "target.value=96"], "val/acc is at most 1", "target.value=0.96"),
    (["data=table", "data.task=regression", "target.value=2"], "val/r2 is at most 1", "another target.value"),
    (["target.metric=val/perplexity", "target.value=0.5"], "val/perplexity is at least 1", "another target.value"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("overrides", "message", "hint"), DROPPED)
def test_what_a_run_would_not_use_is_refused(overrides: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


USED = [
    ["clip=norm", "clip.max=5"], ["clip.kind=norm", "clip.max=5"], ["ema=ema", "ema.decay=0.9"],
    ["device=cpu", "device.count=2"], ["batch=auto", "batch.accumulate=2"], ["pipeline.num_workers=0"],
    ["~loss.label_smoothing"], ["~optimizer.lr"], ["steps=null"], ["early_stopping.seconds=null"],
    ["data=text", "target.value=96"], ["data=table", "target.value=96"], ["target.metric=val/loss", "target.value=96"],
    ["target.metric=val/acc", "target.value=1"], ["target.metric=val/rmse", "target.value=30"],
    ["batch.lr_scaling=linear", "batch.base_size=64"], ["+recipe=cifar10_speedrun", "optimizer=sgd"],
    ["+recipe=resnet_amp", "clip=none", "early_stopping=none"],
]  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize("overrides", USED)
def test_what_a_run_uses_or_a_recipe_sets_is_taken(overrides: list[str]) -> None:
    compose(overrides)


def test_a_users_own_option_uses_the_keys_of_its_kind(folder) -> None:
    (folder / "conf/clip").mkdir(parents=True)
    (folder / "conf/clip/mine.yaml").write_text("# Mine\nkind: norm\n")
    assert compose(["clip=mine", "clip.max=3"]).clip.max == 3


def test_a_value_that_a_run_would_not_use_is_refused_on_resuming(folder) -> None:
    run = RunDir.create(folder / "run", compose([]), [])
    with pytest.raises(ConfigError, match="clip=none does not use it"):
        from_config(run.config(), ["clip.max=5"])


@pytest.mark.slow
def test_a_sweep_takes_a_value_that_one_of_its_jobs_uses(folder, capfd) -> None:
    common = ["train", "-m", "optimizer=sgd,adamw", "epochs=0"]  # no job composes: only what is checked first shows
    assert main([*common, "clip=norm,none", "clip.max=5"]) == 2
    assert "epochs=0" in capfd.readouterr().err
    assert main(["train", "-m", "ema=none,swa", "ema.decay=0.9"]) == 2
    assert "ema.decay=0.9: ema=none does not use it" in capfd.readouterr().err


def test_a_target_beyond_the_metric_of_the_data_is_refused_before_training(folder) -> None:
    tiny = ["data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[2]", "steps=1"]
    with pytest.raises(ConfigError, match="val/acc is at most 1") as caught:
        fastrun.train([*tiny, "target.value=95"], quiet=True)
    assert "target.value=0.95" in (caught.value.hint or "")
