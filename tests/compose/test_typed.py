"""From composed configs and from a run's config.yaml to settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.compose import compose, from_config
from fastrun.errors import ConfigError
from fastrun.storage.run_dir import RunDir

CONFIGS = {
    "defaults": [],
    "recipe": ["+recipe=resnet_amp", "epochs=3"],
    "two recipes": ["+recipe=[mlp_fast,resnet_amp]"],
    "open groups": ["model=mlp", "model.hidden=[8,4]", "optimizer=sgd", "optimizer.lr=1e-3", "~loss.label_smoothing"],
    "closed groups": ["clip=norm", "clip.max=0.5", "ema=ema", "early_stopping=budget", "early_stopping.seconds=9"],
    "callbacks": ["+callbacks.one={_target_: torch.nn.Identity, words: [a, null, 1.5, true]}"],
    "null and text": [
        "steps=5",
        "checkpoint.keep=null",
        "name='1e3'",
        "val_every='5'",
        "outputs='a: #b'",
        "target.metric=val/loss",
    ],
    "references": ["early_stopping=patience", "target.metric=val/acc", "outputs=${oc.env:HOME}"],
    "sweep": ["sweep.zip=[seed,epochs]", "sweep.random=3"],
}


@pytest.mark.sampled
@pytest.mark.parametrize("overrides", CONFIGS.values(), ids=CONFIGS.keys())
def test_the_config_that_a_run_directory_stores_is_read_back_to_the_same_settings(folder: Path, overrides) -> None:
    settings = compose(overrides)
    run = RunDir.create(folder / "run", settings, overrides)
    assert from_config(run.config(), []) == settings


def test_a_value_can_be_changed_when_a_config_is_read_back(folder: Path) -> None:
    run = RunDir.create(folder / "run", compose(["model=mlp"]), ["model=mlp"])
    assert from_config(run.config(), ["epochs=7", "model.hidden=[3]"]) == compose(
        ["model=mlp", "epochs=7", "model.hidden=[3]"]
    )


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epohcs=3", "no key or group epohcs"),
        ("epochs=many", "epochs: Value 'many'"),
        ("epochs=0", "epochs=0 is too small"),
        ("clip.kind=nrm", "clip.kind=nrm is not known"),
        ("model=mlp", "model=mlp is more than a value"),
        ("+seed=3", "+seed=3 is more than a value"),
        ("~seed", "~seed is more than a value"),
        ("seed=1,2", "seed=1,2 is more than a value"),
        ("model._target_=os.system", "model._target_=os.system is not among what a config may call"),
    ],
)
def test_a_change_that_is_not_allowed_is_refused(folder: Path, override: str, message: str) -> None:
    run = RunDir.create(folder / "run", compose([]), [])
    with pytest.raises(ConfigError) as caught:
        from_config(run.config(), [override])
    assert caught.value.message.startswith(message)
