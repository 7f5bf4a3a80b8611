"""List the groups, or a group's options with their arguments."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from fastrun import menu, settings
from fastrun.errors import UsageError, nearest
from fastrun.parsing import parser


def run(arguments: list[str]) -> int:
    """``options`` or ``options GROUP``."""
    verb = parser("options", __doc__)
    verb.add_argument("group", nargs="?", metavar="GROUP", help="the group to describe")
    group = verb.parse_args(arguments).group
    if group is None:
        for name in menu.groups():
            print(f"{name:<15} {' '.join(menu.options(name))}")
        return 0
    if group not in menu.groups():
        raise UsageError(f"no group {group}", nearest(group, menu.groups()) or "`fastrun options` lists them")
    for entry in menu.options(group).values():
        print(f"{group}={entry.name:<16} {entry.description}")
        shared = _closed(group)
        for key, value in (shared | entry.content()).items():
            if key not in ("_target_", "kind", "defaults"):
                print(f"    {group}.{key}={_text(value)}")
    return 0


def _closed(group: str) -> dict[str, object]:
    """Return the defaults that all options of a closed group share."""
    default = getattr(settings.Settings(), group, None)
    if not is_dataclass(default):
        return {}
    return {entry.name: getattr(default, entry.name) for entry in fields(default)}


def _text(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, (bool, type(None)))
        else str(value)
    )
