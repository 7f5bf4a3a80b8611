"""The registry of groups, options and recipes, which is the folders that hold them.

Nothing is listed a second time in code. Imports neither Hydra nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fastrun.config.paths import display, roots, shipped

NOTES = "does", "helps", "not", "source", "try", "code"


@dataclass(frozen=True)
class Entry:
    """An option of a group, or a recipe."""

    name: str
    path: Path

    @property
    def description(self) -> str:
        """Return the file's first comment line that is no Hydra directive."""
        for line in self.path.read_text(errors="replace").splitlines():
            if not line.startswith("#"):
                break
            if "@package" not in line and line.strip("# "):
                return line.strip("# ")
        return ""

    def notes(self) -> dict[str, str]:
        """Return the notes in the comment at the top of the file, by the word before the colon (one of ``NOTES``).

        An indented line continues the note above it.
        """
        notes: dict[str, str] = {}
        name = ""
        for line in self.path.read_text(errors="replace").splitlines():
            if not line.startswith("#"):
                break
            word, colon, rest = line[1:].strip().partition(": ")
            if line.startswith("#   ") and name:
                notes[name] += f" {line[1:].strip()}"
            elif colon and word in NOTES:
                name, notes[word] = word, rest
        return notes

    def content(self) -> dict[str, Any]:
        """Return the keys and values of the file; none where it cannot be read or holds no mapping."""
        try:
            content = yaml.safe_load(self.path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return {}
        return content if isinstance(content, dict) else {}


def groups() -> list[str]:
    """Return the names of the config groups, the user's own among them."""
    return sorted({folder.name for root in roots("conf") for folder in root.iterdir() if folder.is_dir()})


def options(group: str) -> dict[str, Entry]:
    """Return a group's options by name. A shipped option hides one of the user's with the same name, as in Hydra."""
    return _entries([root / group for root in roots("conf")])


def note_on_unused_file(group: str, option: str, folder: Path) -> str | None:
    """Return a line about the user's file for an option, if fastrun ships one of that name, which is used instead.

    Args:
        group: the group.
        option: the name of the option.
        folder: the user's folder of groups, such as ``./conf``.
    """
    file = folder / group / f"{option}.yaml"
    if option not in shipped_options(group) or not file.is_file():
        return None
    return f"note: {display(file)} is not used: fastrun ships {group}={option}; give the file another name"


def shipped_options(group: str) -> list[str]:
    """Return the names of the options of a group that fastrun ships."""
    return sorted(path.stem for path in (shipped("conf") / group).glob("*.yaml"))


def shipped_option(group: str, option: str) -> Entry:
    """Return an option that fastrun ships."""
    return Entry(option, shipped("conf") / group / f"{option}.yaml")


def target_of(group: str, option: str) -> str | None:
    """Return the dotted path of what a shipped option builds.

    An option whose code is part of fastrun names that code in its note ``code``, and its ``_target_`` is the option's
    name. A run directory keeps that name only, so code can move without breaking a run.

    Args:
        group: an open group.
        option: the ``_target_`` of an option, which has no dots where the code is part of fastrun.

    Returns:
        The path; None if there is no such option, or its code is not part of fastrun.
    """
    if "." in option or option not in shipped_options(group):
        return None
    return shipped_option(group, option).notes().get("code")


def recipes() -> dict[str, Entry]:
    """Return the recipes by name, ``folder/name`` for nested ones. A recipe of the user hides a shipped one."""
    return _entries(roots("recipes")[::-1])


def _entries(folders: list[Path]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            entries.setdefault(name, Entry(name, path))
    return dict(sorted(entries.items()))


def keys(group: str) -> set[str]:
    """Return the keys that the options of a group have, without ``_target_`` and ``defaults``."""
    return {key for entry in options(group).values() for key in entry.content() if key not in ("_target_", "defaults")}
