"""What is to be typed: a command line, or a recipe of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.compose import compose
from fastrun.errors import UsageError
from fastrun.tune.diagnose.candidates import Candidate
from fastrun.tune.diagnose.outcome import Outcome
from fastrun.tune.diagnose.recipe_file import check_new_recipe, train_command, write_recipe

HELPS = Outcome(
    Candidate(
        {
            "pipeline.kind": "workers",
            "pipeline.num_workers": 3,
            "amp.kind": "off",
            "batch.size": 256,
            "val_every": "5ep",
        },
        "a larger batch changes what is learned",
    ),
    1.6,
)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["faster", "mine/faster_2"])
@pytest.mark.parametrize(
    "extended", [None, "resnet_amp", ["mlp_fast", "resnet_amp"]], ids=["defaults", "recipe", "recipes"]
)
def test_a_recipe_trains_what_was_measured(folder: Path, name: str, extended) -> None:
    path = write_recipe(name, HELPS, extended)
    assert path == Path("recipes") / f"{name}.yaml"
    base = [] if extended is None else [f"+recipe={extended}".replace("'", "").replace(" ", "")]
    written, typed = compose([f"+recipe={name}"]), compose([*base, *HELPS.candidate.overrides])
    written.choices = typed.choices = {}
    assert written == typed
    assert "1.60 times as many samples a second" in path.read_text()
    assert "# a larger batch changes" in path.read_text()


def test_no_recipe_is_overwritten_or_hidden(folder: Path) -> None:
    write_recipe("mine", HELPS, None)
    before = Path("recipes/mine.yaml").read_bytes()
    for name in ("mine", "mlp_fast"):
        with pytest.raises(UsageError, match="there is a recipe of that name"):
            write_recipe(name, HELPS, None)
    assert Path("recipes/mine.yaml").read_bytes() == before
    assert [path.name for path in Path("recipes").iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", ["", "../x", "/x", "a b", "a/", "x.yaml", "a\nb"])
def test_a_name_that_no_recipe_can_have_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no recipe can have that name"):
        check_new_recipe(name)


def test_what_was_typed_is_typed_again_but_for_what_helps() -> None:
    typed = ["+recipe=mlp_fast", "pipeline=plain", "pipeline.num_workers=1", "data.root=my photos", "speed.kind=plain"]
    helping = ["pipeline=workers", "pipeline.num_workers=3", "speed=auto"]
    command = "fastrun train +recipe=mlp_fast 'data.root=my photos' pipeline=workers pipeline.num_workers=3 speed=auto"
    assert train_command(typed, helping) == command


def test_no_secret_is_printed() -> None:
    assert "hunter2" not in train_command(["logger.api_key=hunter2"], ["amp=off"])
