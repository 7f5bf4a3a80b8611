"""The keys of a study, what it takes away, and the arms that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated import Lab

from fastrun.compose import compose
from fastrun.errors import ConfigError
from fastrun.study.arms import design, same_arms
from fastrun.study.factors import find_factors, heuristics
from fastrun.study.rates import factors as rate_factors
from fastrun.study.settings import split_list, split_study


def arms_of(*overrides: str, factors: list[str], baseline: list[str] | None = None) -> dict[str, list[str]]:
    settings = compose(list(overrides))
    made = design(compose, settings, list(overrides), find_factors(settings, factors), baseline)
    return {name: arm.overrides for name, arm in made.arms.items()}


def test_the_keys_of_a_study_are_told_from_those_of_the_run() -> None:
    typed = ["+recipe=mlp_fast", "study.blocks=9", "study.factors=[norm,'optimizer.lr=0.1']", "study.budget=30min"]
    config, rest = split_study([*typed, "epochs=3", "study.baseline=+recipe=mine clip=norm"])
    assert (config.blocks, config.factors, config.budget) == (9, ["norm", "optimizer.lr=0.1"], "30min")
    assert config.baseline == ["+recipe=mine", "clip=norm"]
    assert rest == ["+recipe=mlp_fast", "epochs=3"]


def test_a_list_keeps_what_is_in_brackets_and_quotes_together() -> None:
    assert split_list("[norm, model.hidden=[8,8],'a=\"b,c\"']") == ["norm", "model.hidden=[8,8]", 'a="b,c"']


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("study.blocs=9", "no key study.blocs", "did you mean study.blocks?"),
        ("study.blocks=many", "study.blocks=many is not int or null", "study.blocks=9"),
        ("study.blocks=0", "study.blocks=0 is too small", "it must be in [1, 999]"),
        ("study.until=later", "study.until=later is not known", "choose from decided"),
        ("study.budget=soon", "study.budget=soon is not a time", "30min"),
        ("study.tune=-1", "study.tune=-1 is too small", "the minimum is 0"),
        ("study.nonsense=1", "no key study.nonsense", "there is study.blocks"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_a_hint(typed: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        split_study([typed])
    assert raised.value.message == message
    assert hint in str(raised.value.hint)


def test_every_heuristic_of_a_recipe_is_a_factor_and_what_is_none_is_not(folder: Path) -> None:
    assert {"norm", "optimizer", "pipeline", "ema"} <= set(heuristics())
    assert not {"checkpoint", "logger", "data", "loss", "early_stopping", "device"} & set(heuristics())
    names = [factor.name for factor in find_factors(compose(["+recipe=resnet_amp"]), None)]
    assert {"model.skip", "init", "norm", "optimizer", "schedule", "augment", "clip", "amp"} <= set(names)
    assert "ema" not in names


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("factor", "message", "hint"),
    [
        ("nrm", "no group nrm", "did you mean norm?"),
        ("clip", "clip=none is neutral already", "the run has init, norm"),
        ("loss", "loss has no neutral option", "study.factors=[loss=…]"),
        ("model", "only model=resnet has a neutral counterpart", "model=cnn"),
        ("optimizer.lr=0.003", "the run has optimizer.lr=0.003 already", "does not have"),
        ("early_stopping", "early_stopping has no part in how fast a run learns", "complete"),
        ("seed=3", "seed is the same in every arm", "seed=3"),
    ],
)
def test_a_factor_that_takes_nothing_away_is_refused(folder: Path, factor: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        find_factors(compose(["+recipe=mlp_fast"]), [factor])
    assert message in raised.value.message
    assert hint in str(raised.value.hint)


def test_an_arm_drops_what_was_typed_for_the_option_that_goes(folder: Path) -> None:
    run = ("+recipe=mlp_fast", "optimizer=adamw", "optimizer.lr=0.01", "norm.momentum=0.2", "seed=3", "epochs=4")
    arms = arms_of(*run, factors=["optimizer", "norm"])
    assert arms["full"] == ["+recipe=mlp_fast", *run[1:4], "epochs=4"]
    assert arms["full - optimizer"] == ["+recipe=mlp_fast", "norm.momentum=0.2", "epochs=4", "optimizer=sgd"]
    assert arms["full - norm"][-1] == "norm=none"
    assert arms["plain"] == ["+recipe=mlp_fast", "epochs=4", "optimizer=sgd", "norm=none"]
    assert set(arms["plain + norm"]) == set(arms["full - optimizer"])


def test_arms_that_train_the_same_are_one_and_are_compared_once(folder: Path) -> None:
    run = ["+recipe=mlp_fast", "target.value=0.9", "seed=5"]
    settings = compose(run)
    one = design(compose, settings, run, find_factors(settings, ["norm"]), None)
    assert same_arms(one.arms) == {"plain": "full - norm", "plain + norm": "full"}
    assert [(contrast.kind, contrast.arm) for contrast in one.contrasts] == [
        ("same", "full again"),
        ("without", "full - norm"),
    ]
    assert {arm.settings.target.value for arm in one.arms.values()} == {0.9}
    assert {arm.settings.seed for arm in one.arms.values()} == {5}


def test_a_value_is_named_with_what_the_run_has(folder: Path) -> None:
    arms = arms_of("+recipe=mlp_fast", factors=["optimizer.lr=0.1", "model.dropout=0.5"])
    assert arms["full - optimizer.lr=0.003"] == ["+recipe=mlp_fast", "optimizer.lr=0.1"]
    assert arms["plain + optimizer.lr=0.003"] == ["+recipe=mlp_fast", "model.dropout=0.5"]


def test_a_callback_is_taken_away_with_what_was_typed_for_it(folder: Path) -> None:
    (folder / "mine.py").write_text("import pytorch_lightning as pl\nclass Mine(pl.Callback):\n    '''None.'''\n")
    arms = arms_of("+recipe=mlp_fast", "+callbacks.mine._target_=mine.Mine", factors=["~callbacks.mine"])
    assert arms["full - callbacks.mine"] == ["+recipe=mlp_fast"]


def test_a_plain_run_of_ones_own_gets_the_options_and_values_of_the_full_one(folder: Path) -> None:
    run = ("+recipe=mlp_fast", "optimizer.weight_decay=0.1")
    arms = arms_of(*run, factors=["optimizer"], baseline=["+recipe=mlp_fast", "optimizer=sgd", "norm=none"])
    assert arms["plain"] == ["+recipe=mlp_fast", "optimizer=sgd", "norm=none"]
    assert arms["plain + optimizer"] == [
        "+recipe=mlp_fast", "norm=none", "optimizer=adamw", "optimizer.weight_decay=0.1"
    ]  # fmt: skip


def test_an_arm_that_does_not_compose_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        arms_of("+recipe=mlp_fast", factors=["optimizer=nothing"])
    assert raised.value.message.startswith("the arm “full - optimizer=adamw” does not compose: ")


def test_rates_are_the_same_for_all_and_spread_around_one() -> None:
    first = rate_factors(5)
    assert first == rate_factors(5)
    assert all(1 / 8 <= factor <= 8 for factor in first)
    assert min(first) < 1 < max(first)


def test_a_study_may_go_without_plain_runs(folder: Path, lab: Lab) -> None:
    overrides = ["+recipe=mlp_fast"]
    settings = compose(overrides)
    factors = find_factors(settings, ["norm", "optimizer"])
    made = design(compose, settings, overrides, factors, None, has_plain=False)
    assert list(made.arms) == ["full", "full again", "full - norm", "full - optimizer"]
    assert made.claims == 2
    conclusion = lab.study("study.factors=[norm]", "study.plain=false", "target.value=0.8")
    assert [row.verdict.kind for row in conclusion.rows] == ["same", "without"]
    with pytest.raises(ConfigError, match=r"study\.plain=false leaves out"):
        lab.study("study.plain=false", "study.baseline=norm=none")
