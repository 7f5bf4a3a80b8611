"""List the recipes; show one, or copy it into ./recipes to edit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.cli.parser import parser
from fastrun.config import registry
from fastrun.config.paths import shipped
from fastrun.errors import ConfigError, UsageError, nearest
from fastrun.storage.atomic import storage_errors


def run(arguments: list[str]) -> int:
    """``recipes``, ``recipes NAME`` or ``recipes copy NAME``."""
    verb = parser("recipes", __doc__)
    verb.add_argument("name", nargs="*", metavar="NAME", help="the recipe to show; `copy NAME` copies it")
    names = verb.parse_args(arguments).name
    if not names:
        for entry in registry.recipes().values():
            own = "" if shipped("recipes") in entry.path.parents else "  (yours)"
            print(f"{entry.name:<22} {entry.description}{own}")
    elif names[0] == "copy" and len(names) == 2:
        copy(names[1])
    elif len(names) == 1:
        show(names[0])
    else:
        raise UsageError(f"recipes takes one name, not {' '.join(names)}", "`fastrun recipes copy NAME` copies one")
    return 0


def find(name: str) -> registry.Entry:
    """Return a recipe.

    Raises:
        ConfigError: there is none of that name.
    """
    known = registry.recipes()
    if name not in known:
        raise ConfigError(f"no recipe {name}", nearest(name, known) or "`fastrun recipes` lists them")
    return known[name]


def copy(name: str) -> None:
    """Write a recipe into ./recipes, for the user to edit."""
    entry = find(name)
    own = Path("recipes") / f"{name}.yaml"
    if own.exists():
        raise UsageError(f"{own} exists already", "move it away first: nothing is overwritten")
    with storage_errors(own):
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(entry.path.read_text())
    print(f"{own} is yours: fastrun train +recipe={name}")


def show(name: str) -> None:
    """Print a recipe's file, and what it sets against the defaults."""
    entry = find(name)
    print(f"# {entry.path}\n{entry.path.read_text().rstrip()}\n\n# against the defaults")
    from fastrun.compose import compose

    before = _flat(asdict(compose([])))
    after = _flat(asdict(compose([f"+recipe={name}"])))
    for key in sorted(before.keys() | after.keys()):
        if key.startswith("choices."):
            continue
        if before.get(key) != after.get(key):
            print(f"{key}: {_word(before, key)} -> {_word(after, key)}")


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, dict) or not node:
        return {prefix: node}
    return {k: v for name, inner in node.items() for k, v in _flat(inner, f"{prefix}.{name}".lstrip(".")).items()}


def _word(values: dict[str, Any], key: str) -> str:
    return (
        "null"
        if key in values and values[key] is None
        else str(values.get(key, "-")).lower()
        if isinstance(values.get(key), bool)
        else str(values.get(key, "-"))
    )
