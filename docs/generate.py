"""Writes docs/heuristics.md from conf/ and docstrings; with `--check` it only checks that the page is up to date."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path

import yaml

from fastrun.cli.commands.options import arguments_of, prefix_of
from fastrun.config import registry, settings
from fastrun.config.paths import shipped

PAGE = Path(__file__).with_name("heuristics.md")
HEAD = """# The heuristics

Every option of every group: what it does, when it helps, when it does not, where it comes from, its arguments with
their defaults, and a command to try it. Options marked *neutral* are "this heuristic off". This page is made from the
files in `conf/` and the docstrings of the code: `make docs`.
"""
TITLES = {"does": "Does", "helps": "Helps", "not": "Not", "source": "Source"}


def groups() -> list[str]:
    """Return the groups in the order of the defaults list."""
    defaults = yaml.safe_load((shipped("conf") / "train.yaml").read_text())["defaults"]
    return [name for entry in defaults if isinstance(entry, dict) for name in entry if "/" not in name]


def introduction(group: str) -> str:
    """Return the first paragraph of the docstring of a group: of its dataclass, or of its package in components."""
    default = getattr(settings.Settings(), group)
    owner = type(default) if is_dataclass(default) else importlib.import_module(f"fastrun.components.{group}")
    return paragraph(owner)


def paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("``", "`")


def key_meanings(group: str) -> dict[str, str]:
    """Return the comments beside the fields of a closed group's dataclass, by key; an open group has none."""
    default = getattr(settings.Settings(), group)
    if not is_dataclass(default):
        return {}
    comments = re.finditer(r"^    (\w+): .*?  # (.*)$", inspect.getsource(type(default)), re.MULTILINE)
    return {match[1]: match[2] for match in comments}


def argument_meanings(target: str | None) -> dict[str, str]:
    """Return the section ``Args:`` of a docstring, by argument.

    Args:
        target: the dotted path of a function or class. None, or another package's, has no meanings.
    """
    if not target or not target.startswith("fastrun."):
        return {}
    module, _, name = target.rpartition(".")
    text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    entries = re.split(r"\n    (?=\w+: )", "\n" + section[1]) if section else []
    parts = (entry.partition(": ") for entry in entries if entry.strip())
    return {name.strip(): " ".join(rest.split()).replace("``", "`") for name, _, rest in parts}


def option_section(group: str, entry: registry.Entry, meanings: dict[str, str]) -> str:
    """Return the section of the page on one option.

    Args:
        group: the group.
        entry: the option.
        meanings: the meaning of each key of a closed group.
    """
    notes = entry.notes()
    neutral = " (neutral)" in entry.description
    lines = [f"### `{group}={entry.name}`{' *neutral*' if neutral else ''}", ""]
    lines += [entry.description.replace(" (neutral)", "") + ".", ""]
    lines += [f"- **{title}**: {notes[name]}" for name, title in TITLES.items() if name in notes]
    meanings = meanings | argument_meanings(notes.get("code"))
    arguments = arguments_of(entry)
    if arguments:
        lines += ["- **Arguments**:"]
        lines += [
            f"    - `{prefix_of(group, entry)}.{key}={value}`{f': {meanings[key]}' if key in meanings else ''}"
            for key, value in arguments.items()
        ]
    return "\n".join([*lines, f"- **Try**: `{notes.get('try', f'fastrun train {group}={entry.name}')}`"])


def page() -> str:
    """Return the whole page."""
    parts = [HEAD.strip(), " · ".join(f"[{group}](#{group})" for group in groups())]
    for group in groups():
        parts += [f"## {group}", introduction(group)]
        meanings = key_meanings(group)
        parts += [option_section(group, entry, meanings) for entry in registry.options(group).values()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.is_file() and PAGE.read_text() == page() else f"{PAGE} is out of date: python {__file__}")
    PAGE.write_text(page())
