"""Command lines that are put together from parts are what Hydra composes, and so are their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.compose import PartComposer, compose, parts
from fastrun.config import registry
from fastrun.errors import ConfigError
from fastrun.study.arms import design
from fastrun.study.factors import find_factors

RECIPE = """# @package _global_
defaults:
  - override /model: mlp
  - override /optimizer: sgd
model:
  hidden: [8]
optimizer:
  lr: 0.25
epochs: 3
batch:
  size: ${log_every}
"""


def compare(lines: list[list[str]], composer: PartComposer) -> None:
    composer.prepare(lines)
    for line in lines:
        assert composer(line) == compose(line), line


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Hydra is asked to compose."""
    asked: list[list[str]] = []
    composing = parts.compose_config
    monkeypatch.setattr(parts, "compose_config", lambda line: asked.append(line) or composing(line))
    return asked


def test_values_and_options_of_command_lines_count_as_for_hydra(folder: Path, calls: list[list[str]]) -> None:
    Path("recipes").mkdir()
    Path("recipes/mine.yaml").write_text(RECIPE)
    mine = ["+recipe=mine", "log_every=16"]
    lines = [
        mine,
        [*mine, "optimizer=adamw"],  # without the rate of the recipe
        [*mine, "optimizer=adamw", "optimizer.lr=0.5", "clip=norm", "clip.max=2"],
        [*mine, "optimizer=sgd", "epochs=5", "model.hidden=[4,4]"],
        [*mine, "clip=norm", "name='two words'", "target.value=0.5"],
        [*mine, "log_every=32"],
        [*mine, "clip=norm", "optimizer._target_=torch.optim.SGD", "optimizer.lr=0.5"],
        [*mine, "clip=norm", "clip=agc"],
        [*mine, "optimizer.lr=0.5", "++optimizer.lr=0.125"],
        [*mine, "~optimizer.lr", "clip=norm"],
    ]
    composer = PartComposer()
    compare(lines, composer)
    assert len(calls) == 6  # the recipe with adamw and clip=norm, with sgd, as it is; and the last three lines
    assert composer(lines[0]) == compose(lines[0])  # what came of other lines has not changed it
    assert composer([*mine, "optimizer.lr=1"]).optimizer["lr"] == 1


def test_files_that_reach_into_other_groups_are_composed_by_hydra(folder: Path) -> None:
    Path("conf/clip").mkdir(parents=True)
    Path("conf/clip/far.yaml").write_text("# @package _global_\nclip:\n  kind: norm\n  max: 3.0\nepochs: 77\n")
    Path("conf/norm").mkdir()
    Path("conf/norm/both.yaml").write_text("defaults:\n  - layer\n  - /ema: ema\nkind: layer\n")
    lines = [["model=mlp"], ["model=mlp", "clip=far"], ["model=mlp", "ema=none"], ["model=mlp", "clip=norm"]]
    composer = PartComposer()
    compare(lines, composer)
    assert composer(lines[1]).epochs == 77
    assert composer(lines[2]).epochs != 77
    for line in (["model=mlp", "norm=both"], ["model=mlp", "norm=both", "clip=norm"]):
        try:
            expected: object = compose(line)
        except ConfigError as error:
            expected = error.render()
        try:
            found: object = composer(line)
        except ConfigError as error:
            found = error.render()
        assert found == expected


@pytest.mark.parametrize(
    "line",
    [
        ["model=mlp", "optimizer=adamww"],
        ["model=mlp", "optimizer.lrr=1"],
        ["model=mlp", "clip=none", "clip.max=2"],
        ["model=mlp", "batch.size=0"],
        ["model=mlp", "batch.sise=1"],
        ["model=mlp", "epochs=many"],
        ["model=mlp", "clip=norm,agc"],
        ["model=mlp", "+optimizer=sgd"],
        ["model=mlp", "~clip"],
        ["model=mlp", "optimizer=null"],
        ["+recipe=nosuch"],
        ["no override"],
    ],
)
def test_mistakes_are_refused_as_hydra_refuses_them(folder: Path, line: list[str]) -> None:
    composer = PartComposer()
    composer.prepare([["model=mlp"], line])
    with pytest.raises(ConfigError) as expected:
        compose(line)
    with pytest.raises(ConfigError) as found:
        composer(line)
    assert found.value.render() == expected.value.render()


REST = sorted(registry.recipes().keys() - {"baseline", "resnet_amp", "text_gpt"})
RECIPES = ["resnet_amp", "text_gpt", *(pytest.param(recipe, marks=pytest.mark.full) for recipe in REST)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["resnet_amp", "text_gpt", *(pytest.param(one, marks=pytest.mark.full) for one in REST)]
)
def test_every_arm_of_every_recipe_is_what_hydra_composes(folder: Path, calls: list[list[str]], recipe: str) -> None:
    line = [f"+recipe={recipe}"]
    composer, full = PartComposer(), compose(line)
    factors = find_factors(full, None)
    composer.prepare([line, *(factor.remove_from(line) for factor in factors)])
    arms = design(composer, full, line, factors, None).arms
    assert len(calls) == 2
    assert len(arms) == 2 * len(factors) + 3
    for name, arm in design(compose, full, line, factors, None).arms.items():
        assert arms[name] == arm
