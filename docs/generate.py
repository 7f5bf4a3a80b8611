"""Write docs/heuristics.md from conf/ and docstrings; with `--check` only say whether it is up to date."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path

import yaml

from fastrun.cli.commands.options import arguments_of
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
    """Return what a group is for: the first paragraph of its settings' or its package's docstring."""
    default = getattr(settings.Settings(), group)
    owner = type(default) if is_dataclass(default) else importlib.import_module(f"fastrun.components.{group}")
    return paragraph(owner)


def paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring, in a line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()).replace("``", "`")


def meanings(group: str) -> dict[str, str]:
    """Return what each key of a closed group means: the comments beside the fields of its dataclass."""
    default = getattr(settings.Settings(), group)
    if not is_dataclass(default):
        return {}
    found = re.finditer(r"^    (\w+): .*?  # (.*)$", inspect.getsource(type(default)), re.MULTILINE)
    return {match[1]: match[2] for match in found}


def told(target: str | None) -> dict[str, str]:
    """Return what each argument of a target of ours means: the ``Args:`` of its docstring."""
    if not target or not target.startswith("fastrun."):
        return {}
    module, _, name = target.rpartition(".")
    text = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    entries = re.split(r"\n    (?=\w+: )", "\n" + section[1]) if section else []
    parts = (entry.partition(": ") for entry in entries if entry.strip())
    return {name.strip(): " ".join(rest.split()).replace("``", "`") for name, _, rest in parts}


def option(group: str, entry: registry.Entry, known: dict[str, str]) -> str:
    """Return the part of the page on one option."""
    notes = entry.notes()
    neutral = " (neutral)" in entry.description
    lines = [f"### `{group}={entry.name}`{' *neutral*' if neutral else ''}", ""]
    lines += [entry.description.replace(" (neutral)", "") + ".", ""]
    lines += [f"- **{title}**: {notes[name]}" for name, title in TITLES.items() if name in notes]
    meaning = known | told(notes.get("code"))
    arguments = arguments_of(entry)
    if arguments:
        lines += ["- **Arguments**:"]
        lines += [
            f"  - `{group}.{key}={value}`{f': {meaning[key]}' if key in meaning else ''}"
            for key, value in arguments.items()
        ]
    return "\n".join([*lines, f"- **Try**: `{notes.get('try', f'fastrun train {group}={entry.name}')}`"])


def page() -> str:
    """Return the whole page."""
    parts = [HEAD.strip(), " · ".join(f"[{group}](#{group})" for group in groups())]
    for group in groups():
        parts += [f"## {group}", introduction(group)]
        known = meanings(group)
        parts += [option(group, entry, known) for entry in registry.options(group).values()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.is_file() and PAGE.read_text() == page() else f"{PAGE} is out of date: python {__file__}")
    PAGE.write_text(page())
