"""The menu: groups, options and recipes, read off the folders that hold them. Imports neither Hydra nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fastrun.paths import roots

NOTES = "does", "helps", "not", "source", "try"


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
        """Return what the comment at the top says after the description, by the word before its colon (``NOTES``).

        A note may go on in lines that are indented.
        """
        found: dict[str, str] = {}
        name = ""
        for line in self.path.read_text(errors="replace").splitlines():
            if not line.startswith("#"):
                break
            word, colon, rest = line[1:].strip().partition(": ")
            if line.startswith("#   ") and name:
                found[name] += f" {line[1:].strip()}"
            elif colon and word in NOTES:
                name, found[word] = word, rest
        return found

    def content(self) -> dict[str, Any]:
        """Return the keys and values of the file, empty where it cannot be read."""
        try:
            found = yaml.safe_load(self.path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return {}
        return found if isinstance(found, dict) else {}


def groups() -> list[str]:
    """Return the config groups."""
    return sorted({folder.name for root in roots("conf") for folder in root.iterdir() if folder.is_dir()})


def options(group: str) -> dict[str, Entry]:
    """Return a group's options by name; a shipped one hides the user's of the same name, as in Hydra's search path."""
    return _entries([root / group for root in roots("conf")])


def recipes() -> dict[str, Entry]:
    """Return the recipes by name, nested ones as ``folder/name``; the user's hides a shipped one of the same name."""
    return _entries(roots("recipes")[::-1])


def _entries(folders: list[Path]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            found.setdefault(name, Entry(name, path))
    return dict(sorted(found.items()))


def keys(group: str) -> set[str]:
    """Return the arguments that a group's options have."""
    return {key for entry in options(group).values() for key in entry.content() if key not in ("_target_", "defaults")}
