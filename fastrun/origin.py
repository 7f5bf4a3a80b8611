"""Where in the user's files a mistake stands: the recipe or option, and the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from fastrun import menu
from fastrun.errors import ConfigError, FastrunError
from fastrun.paths import roots, shipped, shown

# What an error is about stands first in it: `batch.size=0 is too small`, `no key batch.sze`, `no recipe resnt_amp`.
_ABOUT = re.compile(r"(?:no key or group |no key |no recipe |the chosen \w+ has no )?([\w./-]+)")


def located(error: FastrunError, overrides: Sequence[str]) -> FastrunError:
    """Return a config's error, its file and line before it, where that is not on the command line but in a file."""
    about = _ABOUT.match(error.message)
    if not isinstance(error, ConfigError) or about is None:
        return error
    said = [(key.partition("@")[0], value) for key, _, value in (one.lstrip("+~").partition("=") for one in overrides)]
    if any(f".{key}".endswith(f".{about[1]}") and (value in error.message or "." in key) for key, value in said):
        return error
    for path, prefix in files(overrides):
        for name, line in _lines(path, prefix):
            if name == about[1]:
                error.message = f"{shown(path)}, line {line}: {error.message}"
                return error
    return error


def files(overrides: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the recipes and the user's options that a command line chooses, and what their keys begin with."""
    chosen = [override.lstrip("+").partition("=") for override in overrides]
    recipes = [name for key, _, value in chosen if key == "recipe" for name in value.strip("[]").split(",")]
    known, seen = menu.recipes(), set()
    while recipes:
        name = recipes.pop(0).strip()
        if name in known and name not in seen:
            seen.add(name)
            yield known[name].path, ""
            recipes += [entry for entry, _ in _defaults(_parsed(known[name].path))]
    for group, _, option in chosen:
        entry = menu.options(group).get(option) if group in menu.groups() else None
        if entry is not None and shipped("conf") not in entry.path.parents:
            yield entry.path, f"{group}."


def undecodable() -> tuple[Path, int] | None:
    """Return the first of the user's files that is not UTF-8, and the line where it ends to be."""
    for path in [path for name in ("conf", "recipes") for root in roots(name)[1:] for path in root.rglob("*.yaml")]:
        content = path.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError as error:
            return path, content[: error.start].count(b"\n") + 1
    return None


def _parsed(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _lines(path: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield each dotted key of a file, each group and recipe in its defaults list, and its line."""
    node = _parsed(path)
    yield from _keys(node, prefix)
    yield from _defaults(node)


def _keys(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield f"{prefix}{key.value}", key.start_mark.line + 1
        yield from _keys(value, f"{prefix}{key.value}.")


def _defaults(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    found = (
        [value for key, value in node.value if key.value == "defaults"] if isinstance(node, yaml.MappingNode) else []
    )
    for entry in found[0].value if found and isinstance(found[0], yaml.SequenceNode) else ():
        name = entry.value[0][0] if isinstance(entry, yaml.MappingNode) and entry.value else entry
        yield str(name.value).removeprefix("override ").removeprefix("/"), entry.start_mark.line + 1
