"""Where in the user's files a mistake is: the recipe or option, and the line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from fastrun.config import registry
from fastrun.config.paths import display, roots, shipped
from fastrun.errors import ConfigError, FastrunError

# The subject of an error comes first in its message: `batch.size=0 is too small`, `no key batch.sze`, `no recipe x`.
_SUBJECT = re.compile(r"(?:no key or group |no key |no recipe |the chosen \w+ has no )?([\w./-]+)")

_VALUE = re.compile(r"Value '([^']*)'")  # the value that OmegaConf refuses


def locate_error(error: FastrunError, overrides: Sequence[str]) -> FastrunError:
    """Add the file and line of a mistake to its error, unless the command line has to do with it.

    Args:
        error: the error; its message is changed.
        overrides: what was composed.

    Returns:
        The same error.
    """
    match = _SUBJECT.match(error.message)
    if not isinstance(error, ConfigError) or match is None:
        return error
    subject, stated = match[1], _VALUE.search(error.message)
    is_typed = any(_is_about(subject, error.message, override) for override in overrides)
    for path, prefix in _chosen_files(overrides):
        for name, line, value in _named_lines(path, prefix):
            if name == subject and (not is_typed or (stated and stated[1] == value)):
                error.message = f"{display(path)}, line {line}: {error.message}"
                return error
    return error


def _is_about(subject: str, message: str, override: str) -> bool:
    """Say whether an override has to do with an error.

    The choice of an option has if the message repeats it; a value has if its key is the subject, is part of it, or is
    named beside it, as in ``batch.accumulate is larger than batch.size``.
    """
    key, _, value = override.lstrip("+~").partition("=")
    key = key.partition("@")[0]
    if key in registry.groups():
        return f"{key}={value}" in message
    if f".{key}".endswith(f".{subject}") or subject.startswith(f"{key}."):
        return True
    if key.startswith(f"{subject}."):
        return subject not in registry.groups() or _names(message, key.rpartition(".")[2])
    return "." in key and _names(message, key)


def _names(message: str, key: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.])", message) is not None


def _chosen_files(overrides: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the recipes and the user's own options that a command line chooses, and the prefix of their keys."""
    pairs = [override.lstrip("+").partition("=") for override in overrides]
    yield from ((path, "") for path in _chosen_recipes([value for key, _, value in pairs if key == "recipe"]))
    for group, _, option in pairs:
        entry = registry.options(group).get(option) if group in registry.groups() else None
        if entry is not None and shipped("conf") not in entry.path.parents:
            yield entry.path, f"{group}."


def _chosen_recipes(values: Sequence[str]) -> Iterator[Path]:
    """Yield the files of recipes, and of those that they extend; each once.

    Args:
        values: values of ``recipe``: a name, or ``[name,name]``.
    """
    names = [name for value in values for name in value.strip("[]").split(",")]
    recipes, seen = registry.recipes(), set()
    while names:
        name = names.pop(0).strip()
        if name in recipes and name not in seen:
            seen.add(name)
            yield recipes[name].path
            names += [entry for entry, _ in _defaults(_parse(recipes[name].path))]


def first_undecodable() -> tuple[Path, int] | None:
    """Return the first of the user's files that is not UTF-8, and the line of its first invalid byte."""
    user_folders = [root for name in ("conf", "recipes") for root in roots(name)[1:]]
    for path in [path for folder in user_folders for path in folder.rglob("*.yaml")]:
        content = path.read_bytes()
        try:
            content.decode()
        except UnicodeDecodeError as error:
            return path, content[: error.start].count(b"\n") + 1
    return None


def _parse(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _named_lines(path: Path, prefix: str) -> Iterator[tuple[str, int, str | None]]:
    """Yield each dotted key of a file, each group and recipe in its defaults list, its line, and a scalar value."""
    node = _parse(path)
    yield from _keys(node, prefix)
    yield from ((name, line, None) for name, line in _defaults(node))


def _keys(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int, str | None]]:
    """Yield each dotted key of a node, nested ones included, its line, and its value if that is a scalar."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        yield (
            f"{prefix}{key.value}",
            key.start_mark.line + 1,
            value.value if isinstance(value, yaml.ScalarNode) else None,
        )
        yield from _keys(value, f"{prefix}{key.value}.")


def _defaults(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Yield each group and recipe in the defaults list of a file, and its line."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    lists = [value for key, value in pairs if key.value == "defaults" and isinstance(value, yaml.SequenceNode)]
    for entry in lists[0].value if lists else ():
        name = entry.value[0][0] if isinstance(entry, yaml.MappingNode) and entry.value else entry
        yield str(name.value).removeprefix("override ").removeprefix("/"), entry.start_mark.line + 1
