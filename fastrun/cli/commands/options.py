"""List the groups, or a group's options with their arguments; draw the schedules."""

from __future__ import annotations

from pathlib import Path

from fastrun.cli.parser import parser
from fastrun.config import registry
from fastrun.errors import UsageError, nearest


def run(arguments: list[str]) -> int:
    """``options``, ``options GROUP`` or ``options schedule --plot``."""
    verb = parser("options", __doc__)
    verb.add_argument("group", nargs="?", metavar="GROUP", help="the group to describe")
    verb.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="with --plot: schedule.warmup=10%%, epochs=90 …"
    )
    verb.add_argument("--plot", action="store_true", help="draw the schedules, here and as a PNG")
    verb.add_argument(
        "--png", type=Path, metavar="FILE", help="where the PNG goes; else schedules.png, or the next free"
    )
    given = verb.parse_intermixed_args(arguments)
    if given.group is not None and given.group not in registry.groups():
        raise UsageError(
            f"no group {given.group}", nearest(given.group, registry.groups()) or "`fastrun options` lists them"
        )
    if given.plot:
        _plot(given.group, given.overrides, given.png)
    elif given.overrides or given.png:
        raise UsageError(f"{(given.overrides or ['--png'])[0]} goes with --plot", "`fastrun options schedule --plot`")
    elif given.group is None:
        for name in registry.groups():
            print(f"{name:<15} {' '.join(registry.options(name))}")
    else:
        _describe(given.group)
    return 0


def _describe(group: str) -> None:
    for entry in registry.options(group).values():
        print(f"{group}={entry.name:<16} {entry.description}")
        for key, value in arguments_of(entry).items():
            print(f"    {group}.{key}={value}")


def arguments_of(entry: registry.Entry) -> dict[str, str]:
    """Return an option's arguments with their values, as they are written on the command line."""
    return {key: _text(value) for key, value in entry.content().items() if key not in ("_target_", "kind", "defaults")}


def _plot(group: str | None, overrides: list[str], png: Path | None) -> None:
    """Draw the schedules in the terminal and as a PNG, which overwrites nothing."""
    if group != "schedule":
        raise UsageError("--plot draws the schedules only", "`fastrun options schedule --plot`")
    from fastrun.cli.plot import picture, terminal
    from fastrun.cli.plot.curves import schedule_curves

    curves = schedule_curves(overrides)
    path = png or picture.free(Path("schedules.png"))
    picture.save(curves, path)
    print(terminal.draw(curves))
    print(f"as a picture: {path}")


def _text(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, (bool, type(None)))
        else str(value)
    )
