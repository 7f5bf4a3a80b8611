"""A mistake is blamed on the recipe only where the command line has nothing to do with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.compose import compose
from fastrun.errors import ConfigError

RECIPE = """# @package _global_
defaults:
  - override /early_stopping: budget
early_stopping:
  seconds: 3
epochs: 3
batch:
  accumulate: 4
"""


def blamed(folder: Path, recipe: str, *overrides: str) -> str:
    (folder / "recipes").mkdir(exist_ok=True)
    (folder / "recipes/mine.yaml").write_text(recipe)
    with pytest.raises(ConfigError) as caught:
        compose(["+recipe=mine", *overrides])
    return caught.value.message


@pytest.mark.parametrize(
    "override",
    [
        "epochs=1e3",
        "epochs=true",
        'epochs="a_b"',
        "++epochs=abc",
        "+epochs.more=3",
        "batch.size=1",
        "early_stopping.steps=3",
        "early_stopping.seconds=null",
    ],
)
def test_a_value_of_the_command_line_is_not_blamed_on_a_recipe(folder: Path, override: str) -> None:
    assert "mine.yaml" not in blamed(folder, RECIPE, override)


def test_a_value_of_a_recipe_is_blamed_on_it_whatever_else_is_typed(folder: Path) -> None:
    wrong = RECIPE.replace("epochs: 3", "epochs: abc")
    assert blamed(folder, wrong, "epochs=1").startswith("recipes/mine.yaml, line 6: epochs: Value 'abc'")
    both = RECIPE.replace("seconds: 3", "seconds: 3\n  steps: 2")
    assert blamed(folder, both, "batch.size=8").startswith("recipes/mine.yaml, line 4: early_stopping=budget")
    assert blamed(folder, RECIPE.replace("4", "400"), "early_stopping.seconds=9").startswith(
        "recipes/mine.yaml, line 8:"
    )
