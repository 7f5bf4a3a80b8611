"""List the recipes; show one, or copy it into ./recipes to edit it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.config import registry
from fastrun.config.paths import shipped
from fastrun.errors import ConfigError, UsageError, nearest
from fastrun.storage.atomic import storage_errors
from fastrun.system.argument_parser import ArgumentParser

_UNSET = "-"  # stands for the value of a key that a config does not have


def run(arguments: list[str]) -> int:
    """Run ``recipes``, ``recipes NAME`` or ``recipes copy NAME``."""
    parser = ArgumentParser("fastrun recipes", __doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help="the recipe to show; `copy NAME` copies it")
    names = parser.parse_args(arguments).name
    if not names:
        _list()
    elif names[0] == "copy" and len(names) == 2:
        _copy(names[1])
    elif len(names) == 1:
        _show(names[0])
    else:
        raise UsageError(f"recipes takes one name, not {' '.join(names)}", "`fastrun recipes copy NAME` copies one")
    return 0


def _list() -> None:
    for entry in registry.recipes().values():
        mark = "" if shipped("recipes") in entry.path.parents else "  (yours)"
        print(f"{entry.name:<22} {entry.description}{mark}")


def _find(name: str) -> registry.Entry:
    known = registry.recipes()
    if name not in known:
        raise ConfigError(f"no recipe {name}", nearest(name, known) or "`fastrun recipes` lists them")
    return known[name]


def _copy(name: str) -> None:
    """Copy a recipe into ./recipes, where the user can edit it."""
    entry = _find(name)
    path = Path("recipes") / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path} already exists", "move it away first: no file is overwritten")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(entry.path.read_text())
    print(f"copied to {path}; edit it, then: fastrun train +recipe={name}")


def _show(name: str) -> None:
    """Print the file of a recipe, and each value that it changes."""
    entry = _find(name)
    print(f"# {entry.path}\n{entry.path.read_text().rstrip()}\n\n# changes to the defaults")
    from fastrun.compose import compose

    before = _flatten(asdict(compose([])))
    after = _flatten(asdict(compose([f"+recipe={name}"])))
    for key in sorted(before.keys() | after.keys()):
        is_changed = before.get(key) != after.get(key)
        if is_changed and not key.startswith("choices."):
            print(f"{key}: {_format_value(before, key)} -> {_format_value(after, key)}")


def _flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested dicts by their dotted keys."""
    if not isinstance(node, dict) or not node:
        return {prefix: node}
    flat: dict[str, Any] = {}
    for name, child in node.items():
        flat |= _flatten(child, f"{prefix}.{name}".lstrip("."))
    return flat


def _format_value(values: dict[str, Any], key: str) -> str:
    """Return a value as YAML has it, or a dash if there is none."""
    value = values.get(key, _UNSET)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
