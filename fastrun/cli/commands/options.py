"""List the groups, or the options of a group with their arguments; plot the schedules."""

from __future__ import annotations

from pathlib import Path

from fastrun.config import registry
from fastrun.config.paths import roots
from fastrun.config.settings import SEVERAL
from fastrun.errors import UsageError, nearest
from fastrun.system.argument_parser import ArgumentParser

_PLOT = "`fastrun options schedule --plot`"
_INTERNAL = ("_target_", "kind", "defaults")  # keys of an option's file that a user does not set


def run(arguments: list[str]) -> int:
    """Run ``options``, ``options GROUP`` or ``options schedule --plot``."""
    parser = ArgumentParser("fastrun options", __doc__)
    parser.add_argument("group", nargs="?", metavar="GROUP", help="the group to describe")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="with --plot: schedule.warmup=10%%, epochs=90 …"
    )
    parser.add_argument("--plot", action="store_true", help="plot the schedules in the terminal and as a PNG file")
    parser.add_argument(
        "--png", type=Path, metavar="FILE", help="the PNG file (default: schedules.png, or the next free name)"
    )
    given = parser.parse_intermixed_args(arguments)
    _check_group(given.group)
    if given.plot:
        _plot(given.group, given.overrides, given.png)
    elif given.overrides and given.overrides[0] in registry.options(given.group):
        option = given.overrides[0]
        raise UsageError(
            f"{option}: options lists a whole group", f"`fastrun options {given.group}` describes {option}"
        )
    elif given.overrides or given.png:
        raise UsageError(f"{(given.overrides or ['--png'])[0]} goes with --plot", _PLOT)
    elif given.group is None:
        _list_groups()
    else:
        _list_options(given.group)
    return 0


def _check_group(group: str | None) -> None:
    groups = registry.groups()
    if group is not None and group not in groups:
        raise UsageError(f"no group {group}", nearest(group, groups) or "`fastrun options` lists them")


def _list_groups() -> None:
    for group in registry.groups():
        print(f"{group:<15} {' '.join(registry.options(group))}")


def _list_options(group: str) -> None:
    for entry in registry.options(group).values():
        print(f"{group}={entry.name:<16} {entry.description}")
        for folder in roots("conf")[1:]:
            if note := registry.note_on_unused_file(group, entry.name, folder):
                print(f"    {note}")
        for key, value in arguments_of(entry).items():
            print(f"    {prefix_of(group, entry)}.{key}={value}")


def prefix_of(group: str, entry: registry.Entry) -> str:
    """Return what stands before the arguments of an option: its group, and its name where several are chosen."""
    return f"{group}.{entry.name}" if group in SEVERAL else group


def arguments_of(entry: registry.Entry) -> dict[str, str]:
    """Return the arguments of an option with their values, as they are written on the command line."""
    return {key: _to_yaml(value) for key, value in entry.content().items() if key not in _INTERNAL}


def _to_yaml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_to_yaml, value)) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plot(group: str | None, overrides: list[str], png: Path | None) -> None:
    """Plot the schedules in the terminal and as a PNG file; no existing file is overwritten."""
    if group != "schedule":
        raise UsageError("--plot is for the schedules", _PLOT)
    from fastrun.report.plot import picture, terminal
    from fastrun.report.plot.curves import schedule_curves

    _check_plotting()
    curves = schedule_curves(overrides)
    path = png or picture.unused_path(Path("schedules.png"))
    picture.save(curves, path)
    print(terminal.render(curves))
    print(f"the picture is in {path}")


def _check_plotting() -> None:
    """Check that the packages for plots are installed.

    Raises:
        UsageError: one is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
        import plotext  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--plot needs {error.name or 'matplotlib'}", "pip install 'fastrun[report]'") from error
