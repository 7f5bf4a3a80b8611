"""What to type for the overrides that were measured to help: a command line, or a recipe of the user's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from fastrun.config import registry
from fastrun.errors import UsageError
from fastrun.redaction import redact_override
from fastrun.storage.atomic import storage_errors
from fastrun.tune.diagnose.outcome import Outcome

_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def train_command(typed: Sequence[str], overrides: Sequence[str]) -> str:
    """Return the command line that trains with some overrides more.

    Args:
        typed: the overrides of the training so far. Those whose key is among the new ones are left out.
        overrides: the new ones.
    """
    kept = [redact_override(override) for override in without(typed, overrides)]
    return shlex.join(["fastrun", "train", *kept, *overrides])


def without(typed: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the typed overrides whose key no other override sets."""
    keys = {_key(override) for override in overrides}
    return [override for override in typed if _key(override) not in keys]


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0].removesuffix(".kind")


def check_new_recipe(name: str, key: str = "--apply ") -> None:
    """Check that a recipe of the user's can get a name.

    Args:
        name: the name.
        key: what it was typed after.

    Raises:
        UsageError: it cannot, or there is a recipe of that name already.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{key}{name}: no recipe can have that name", "use letters, digits, '_' and '-'")
    if name in registry.recipes() or recipe_path(name).exists():
        raise UsageError(f"{key}{name}: there is a recipe of that name", "choose another: no file is overwritten")


def write_recipe(name: str, outcome: Outcome, extended: str | Sequence[str] | None) -> Path:
    """Write overrides that help into a recipe of the user's, in the current folder.

    Args:
        name: its name.
        outcome: the overrides, as they were measured.
        extended: the recipe, or recipes, that it extends; None for none.

    Returns:
        The file.

    Raises:
        UsageError: no recipe can have the name, or there is one already.
        StorageError: the file cannot be written.
    """
    check_new_recipe(name)
    path = recipe_path(name)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(_recipe(name, outcome, [extended] if isinstance(extended, str) else list(extended or ())))
    return path


def recipe_path(name: str) -> Path:
    """Return the file of a recipe of the user's, in the current folder."""
    return Path("recipes") / f"{name}.yaml"


def _recipe(name: str, outcome: Outcome, extended: Sequence[str]) -> str:
    """Return the text of a recipe: a comment, the recipes that it extends, and the values."""
    defaults: list[Any] = [f"/recipe/{base}" for base in extended]
    values: dict[str, Any] = {}
    for key, value in outcome.candidate.changes.items():
        group, _, inner = key.partition(".")
        if inner == "kind":
            defaults.append({f"override /{group}": value})
        elif inner:
            values.setdefault(group, {})[inner] = value
        else:
            values[group] = value
    base = f"{' and '.join(extended)}, faster" if extended else "What is faster"
    caution = f"\n# {outcome.candidate.caution}" if outcome.candidate.caution else ""
    head = (
        f"# @package _global_\n# {base} on the machine where `fastrun diagnose` measured it: "
        f"{outcome.factor:.2f} times as many samples a second{caution}\n#\n#   fastrun train +recipe={name}\n"
    )
    body = ({"defaults": defaults} if defaults else {}) | values
    return head + yaml.safe_dump(body, sort_keys=False)
