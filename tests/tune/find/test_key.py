"""Which numbers can be looked for, and the values that are tried."""

from __future__ import annotations

from functools import cache

import pytest

from fastrun.compose import compose as compose_anew
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.tune.find.key import find_number, findable


@cache
def composed(overrides: str = "") -> Settings:
    return compose_anew(overrides.split())


FOUND = [
    ("", "optimizer.weight_decay", [0.001, 0.003, 0.01, 0.03, 0.1]),
    ("optimizer=sgd", "optimizer.weight_decay", [0, 1e-4, 1e-3, 1e-2, 1e-1]),
    ("", "momentum", [0, 0.7, 0.9, 0.97, 0.99]),
    ("optimizer=sgd", "momentum", [0, 0.7, 0.9, 0.97, 0.99]),
    ("optimizer=muon", "momentum", [0.5, 0.85, 0.95, 0.985, 0.995]),
    ("clip=norm", "clip.max", [0.1, 0.3, 1, 3, 10]),
    ("clip=norm clip.max=2", "clip.max", [0.2, 0.6, 2, 6, 20]),
    ("ema=ema", "ema.decay", [0.99, 0.997, 0.999, 0.9997, 0.9999]),
    ("", "optimizer.layer_decay", [0.7, 0.9, 0.97, 0.99, 1]),
    ("augment=mixup", "augment.mixup", [0.02, 0.06, 0.2, 0.6, 2]),
    ("optimizer=adafactor", "optimizer.d", [1, 3, 10]),
]


@pytest.mark.parametrize(("overrides", "what", "grid"), FOUND)
def test_the_values_to_try_are_a_factor_of_about_three_apart(overrides: str, what: str, grid: list[float]) -> None:
    assert find_number(composed(overrides), what).grid() == grid


REFUSED = [
    ("", "seed", "no log scale"),
    ("", "epochs", "no log scale"),
    ("", "model.width", "whole number"),
    ("model=mlp", "model.hidden", "whole number"),
    ("", "schedule.rise", "no log scale"),
    ("", "optimizer", "a group"),
    ("", "optimizer.lr_scale", "no number"),
    ("clip=none", "clip.max", "clip=none does not use it"),
    ("", "augment.mixup", "augment=none does not use it"),
    ("", "optimizer.momentum", "optimizer=adamw does not have it"),
    ("optimizer=adafactor", "momentum", "has none"),
    ("optimizer=adafactor", "optimizer.beta2_decay", "no log scale"),
    ("", "loss.label_smoothing", "changes the loss itself"),
    ("", "data.val_fraction", "changes the data"),
    ("target.value=0.9", "target.value", "does not change how the network trains"),
    ("", "speed.compile", "does not change how the network trains"),
    ("", "optimizer.weigth_decay", "no key"),
    ("", "nothing.at_all", "no key"),
]


@pytest.mark.parametrize(("overrides", "what", "words"), REFUSED)
def test_what_cannot_be_looked_for_is_refused_with_a_reason(overrides: str, what: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        find_number(composed(overrides), what)
    assert caught.value.hint


def test_names_of_other_tools_lead_to_the_key() -> None:
    with pytest.raises(ConfigError) as caught:
        find_number(composed(), "weight_decay")
    assert caught.value.hint == "did you mean optimizer.weight_decay?"


def test_what_is_typed_composes_to_the_settings_that_are_tried() -> None:
    options = ["optimizer=muon", "clip=agc", "ema=ema"]
    settings = compose_anew(options)
    keys = list(findable(settings))
    assert {"optimizer.lr", "optimizer.adamw_betas", "clip.max", "ema.decay"} <= set(keys)
    numbers = [(find_number(settings, key), find_number(settings, key).grid()[0]) for key in keys]
    typed = compose_anew([*options, *(number.override(value) for number, value in numbers)])
    for number, value in numbers:
        settings = number.change(settings, value)
    for group in ("optimizer", "clip", "ema", "norm", "schedule"):
        assert getattr(typed, group) == getattr(settings, group)


def test_a_grid_goes_on_at_its_ends_within_the_domain() -> None:
    decay = find_number(composed("ema=ema"), "ema.decay")
    assert decay.beyond(0.9999, up=True) == pytest.approx(0.999967)
    assert decay.beyond(0.99, up=False) == 0.97
    momentum = find_number(composed(), "momentum")
    assert momentum.beyond(0.0, up=False) is None
    weight_decay = find_number(composed(), "optimizer.weight_decay")
    assert (weight_decay.beyond(0.1, up=True), weight_decay.beyond(0.001, up=False)) == (0.3, 0.00033)
