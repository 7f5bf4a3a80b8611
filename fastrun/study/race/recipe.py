"""The winner of a race as a recipe of the user's own, in ./recipes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from fastrun.config import registry
from fastrun.errors import UsageError
from fastrun.redaction import redact_override
from fastrun.storage.atomic import storage_errors
from fastrun.study import ladder
from fastrun.study.arms import FULL
from fastrun.study.conclusion import Row
from fastrun.study.forest import ratio_text
from fastrun.study.plan import Plan
from fastrun.study.race.definition import RaceDefinition
from fastrun.study.scored import Scored
from fastrun.tune.diagnose.recipe_file import check_new_recipe, recipe_path

_LENGTH = ("steps", "epochs")  # set anew: that of the runs that reached the target


def check_name(name: str) -> None:
    """Check that the recipe of a race can get a name.

    Raises:
        UsageError: it cannot, or there is a recipe of that name already.
    """
    check_new_recipe(name, "race.name=")


def write_recipe(race: RaceDefinition, winner: str, stage: Scored, row: Row) -> Path:
    """Write the winner of a race as a recipe, and return its file.

    A race that is gone on with after that finds its own recipe, and leaves it as it is.

    Args:
        race: the race.
        winner: the name of the winner, which was faster.
        stage: the comparison, all of whose runs are over.
        row: its verdict.

    Raises:
        UsageError: there is a recipe of another content under the name that was asked for.
        StorageError: the file cannot be written.
    """
    steps = steps_to_train(stage, winner)
    for name in _names(race):
        text = recipe_text(race, name, winner, stage.plan, row, steps)
        path = recipe_path(name)
        if path.is_file() and path.read_text() == text:
            return path
        if name in registry.recipes() or path.exists():
            continue
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                file.write(text)
        return path
    check_name(str(race.config.name))
    raise UsageError(f"race.name={race.config.name}: the recipe cannot be written", "choose another name")


def _names(race: RaceDefinition) -> Iterator[str]:
    """Yield the names that the recipe may get: that which was asked for, else the first free one of a series."""
    if race.config.name is not None:
        yield race.config.name
        return
    recipes = _recipes(race.overrides)
    base = f"{'+'.join(recipes).replace('+', '_') or 'train'}_raced"
    yield base
    yield from (f"{base}_{number}" for number in itertools.count(2))


def steps_to_train(stage: Scored, winner: str) -> int:
    """Return the length of the longest run with which the winner reached the target, of those that decided."""
    target, higher = float(stage.plan.target["value"]), stage.walks.higher_is_better
    lengths = [
        run.steps
        for block in stage.blocks
        if (run := stage.walks.last_run(winner, block)) is not None
        and ladder.reaches(run.value(higher), target, higher)
    ]
    return max(lengths)


def recipe_text(race: RaceDefinition, name: str, winner: str, plan: Plan, row: Row, steps: int) -> str:
    """Return the text of the recipe: what it was compared with, and what it sets."""
    overrides = race.candidates[winner].overrides
    target, verdict = plan.target, row.verdict
    given = " ".join(map(redact_override, race.candidates[FULL].overrides)) or "the defaults"
    machine = f"{plan.machine['cpu']}, {plan.machine['cores']} cores"
    confidence = f"{plan.rule['confidence']:.0%}"
    left_out = [text for text in overrides if not _is_kept(text)]
    notes = [
        f"What a race found to be faster than {given}: {winner}",
        "",
        f"  fastrun train +recipe={name}",
        "",
        f"To {target['metric']} {target['value']:g}, the given run takes {ratio_text(verdict)} times as long:",
        f"{verdict.blocks} fresh seeds that the search never saw, paired, with the {confidence} interval.",
        f"Measured on {machine}, {time.strftime('%Y-%m-%d', time.localtime(plan.created))}, in {race.folder.name}.",
        f"{steps} steps are those of the longest run that reached the target.",
        *(f"Not in the recipe, to be typed: {redact_override(text)}" for text in left_out),
    ]
    head = "\n".join(["# @package _global_", *(f"# {note}".rstrip() for note in notes)])
    values = _content(overrides) | {"steps": steps}
    values["target"] = {"metric": target["metric"], "value": target["value"]}
    return f"{head}\n{yaml.safe_dump(values, sort_keys=False)}"


def _content(overrides: Sequence[str]) -> dict[str, Any]:
    """Return what the overrides of a run are in a recipe."""
    defaults: list[Any] = [f"/recipe/{name}" for name in _recipes(overrides)]
    values: dict[str, Any] = {}
    for text in filter(_is_kept, overrides):
        key, _, typed = text.lstrip("+").partition("=")
        if key == "recipe" or key in _LENGTH:
            continue
        if key in registry.groups():
            defaults.append({f"override /{key}": typed})
            continue
        node, *inner = values, *key.split(".")
        for part in inner[:-1]:
            node = node.setdefault(part, {})
        node[inner[-1]] = _value(typed)
    return ({"defaults": defaults} if defaults else {}) | values


def _value(typed: str) -> Any:
    """Return a value as a recipe has it: 1e-3 is a number in an override, and a text in YAML."""
    try:
        return float(typed) if "e" in typed.lower() else yaml.safe_load(typed)
    except (ValueError, yaml.YAMLError):
        return yaml.safe_load(typed)


def _is_kept(text: str) -> bool:
    """Say whether a recipe can hold an override: not one that removes something, nor one with a secret."""
    return not text.startswith("~") and "@" not in text.partition("=")[0] and redact_override(text) == text


def _recipes(overrides: Sequence[str]) -> list[str]:
    typed = [text.partition("=")[2] for text in overrides if text.lstrip("+").partition("=")[0] == "recipe"]
    return [name.strip() for text in typed for name in text.strip("[]").split(",") if name.strip()]
