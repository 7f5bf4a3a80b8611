"""From a sweep's command line to its points: what is swept over, and in which combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from fastrun.errors import ConfigError
from fastrun.hydra_app.point import Point
from fastrun.hydra_app.translated import translated
from fastrun.search.axis import Axis, Interval, Side, Values
from fastrun.search.combine import bare, drawn, grid, size, zipped
from fastrun.search.lines import read
from fastrun.settings import Sweep


@dataclass(frozen=True)
class Line:
    """A line of ``sweep.file``: where it stands, and what it says."""

    where: str
    side: Side


def points(parser: OverridesParser, overrides: Sequence[Override], sweep: Sweep) -> list[Point]:
    """Return the points that a sweep is to try, in order.

    Raises:
        ConfigError: what is swept over cannot be combined as asked, or a line of the file is wrong.
    """
    lines = _lines(parser, Path(sweep.file), overrides) if sweep.file else []
    axes = zipped(axes_of(overrides), sweep.zip)
    if lines:
        axes = [Values(sorted({key for line in lines for key in line.side}), [line.side for line in lines]), *axes]
    sides = grid(axes) if sweep.random is None else drawn(axes, sweep.random, sweep.seed)
    if sweep.random is not None and sweep.random > size(axes):
        print(f"sweep.random={sweep.random}: there are {len(sides)} different points, and all are tried")
    return [point(overrides, side, _where(side, lines)) for side in sides]


def point(overrides: Sequence[Override], side: Side, where: str = "") -> Point:
    """Return a point of a sweep: what the command line says for all jobs, and what a side says for this one."""
    left = dict(side)
    at = {bare(key): key for key in side}
    own, said = [], []
    for override in overrides:
        key = at.get(bare(override.get_key_element()))
        said.append(left.pop(key, "") if key else str(override.input_line))
        own += [said[-1]] if key else []
    return Point([*left.values(), *own], [text for text in (*said, *left.values()) if text], where)


def axes_of(overrides: Sequence[Override]) -> list[Axis]:
    """Return what a command line sweeps over.

    Raises:
        ConfigError: it sweeps over how the sweep is run.
    """
    swept = [override for override in overrides if override.is_sweep_override()]
    for override in swept:
        if override.key_or_group.partition(".")[0] == "sweep":
            raise ConfigError(f"{override.input_line}: a sweep is run in one way", "give it one value")
    return [_axis(override) for override in swept]


def _axis(override: Override) -> Axis:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        return Interval(key, value.start, value.end, "log" in value.tags)
    listed = Values.of(key, list(override.sweep_string_iterator()))
    if isinstance(value, RangeSweep) and not value.shuffle and len(listed.listed) > 1:
        return Values(listed.keys, listed.listed, list(value.range()))
    return listed


def _lines(parser: OverridesParser, path: Path, overrides: Sequence[Override]) -> list[Line]:
    swept = {bare(one.get_key_element()) for one in overrides if one.is_sweep_override()}
    return [Line(where, _side(parser, where, texts, swept)) for where, texts in read(path)]


def _side(parser: OverridesParser, where: str, texts: list[str], swept: set[str]) -> Side:
    side = {}
    for text in texts:
        try:
            with translated(texts):
                (override,) = parser.parse_overrides([text])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error.message}", error.hint) from error
        key = override.get_key_element()
        if override.is_sweep_override():
            raise ConfigError(f"{where}: {text} has several values", "a line is one job: sweep on the command line")
        if key.partition(".")[0] == "sweep" or override.is_hydra_override():
            raise ConfigError(f"{where}: {text} is not of a job", "say it on the command line")
        if bare(key) in swept:
            raise ConfigError(f"{where}: {text}, but {bare(key)} is swept over as well", "leave out one of them")
        side[key] = text
    return side


def _where(side: Side, lines: Sequence[Line]) -> str:
    """Return where the line of a point stands; nothing where it has none."""
    return next((line.where for line in lines if line.side.items() <= side.items()), "")
