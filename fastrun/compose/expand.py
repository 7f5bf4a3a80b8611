"""The points of a sweep: the values on its command line and in its file, combined as the group ``sweep`` sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from fastrun.compose.compose_job import Point
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.search.grid import bare_key, grid, sample, size, zip_axes
from fastrun.compose.search.override_file import read
from fastrun.compose.search.space import Axis, Interval, Overrides, Values
from fastrun.config.settings import SweepConfig
from fastrun.errors import ConfigError


@dataclass(frozen=True)
class Line:
    """The overrides in a line of ``sweep.file``.

    Attributes:
        where: the file and the number of the line, for messages.
        overrides: its overrides by key.
    """

    where: str
    overrides: Overrides


def expand(parser: OverridesParser, overrides: Sequence[Override], sweep: SweepConfig) -> list[Point]:
    """Return the points of a sweep in order.

    Args:
        parser: parses the lines of ``sweep.file``.
        overrides: the overrides of the command line.
        sweep: how to combine their values.

    Raises:
        ConfigError: the values cannot be combined in this way, or a line of the file has a mistake.
    """
    lines = _lines(parser, Path(sweep.file), overrides) if sweep.file else []
    axes = zip_axes(axes_of(overrides), sweep.zip)
    if lines:
        keys = sorted({key for line in lines for key in line.overrides})
        axes = [Values(keys, [line.overrides for line in lines]), *axes]
    combinations = grid(axes) if sweep.random is None else sample(axes, sweep.random, sweep.seed)
    if sweep.random is not None and sweep.random > size(axes):
        print(f"sweep.random={sweep.random}: there are only {len(combinations)} different points; all are tried")
    return [point(overrides, own, _where(own, lines)) for own in combinations]


def point(overrides: Sequence[Override], own: Overrides, where: str = "") -> Point:
    """Return a point of a sweep: the overrides of the command line, with the point's own in the place of swept ones.

    Args:
        overrides: the overrides of the command line.
        own: the point's own overrides by key; those of keys that the command line lacks come last.
        where: the line of ``sweep.file`` with the point's overrides, for messages.
    """
    by_bare_key = {bare_key(key): text for key, text in own.items()}
    in_place, combined = [], []
    for override in overrides:
        key = bare_key(override.get_key_element())
        if key not in by_bare_key:
            combined.append(str(override.input_line))
        elif key not in in_place:  # a key that is given twice has one value in a point
            in_place.append(key)
            combined.append(by_bare_key[key])
    added = [text for key, text in own.items() if bare_key(key) not in in_place]
    return Point([*added, *(by_bare_key[key] for key in in_place)], [*combined, *added], where)


def axes_of(overrides: Sequence[Override]) -> list[Axis]:
    """Return the axes of a command line, one for each override with several values.

    Raises:
        ConfigError: a key of the group ``sweep`` has several values.
    """
    swept = [override for override in overrides if override.is_sweep_override()]
    for override in swept:
        if override.key_or_group.partition(".")[0] == "sweep":
            raise ConfigError(f"{override.input_line}: keys of sweep are not swept over", "give it one value")
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
    """Return the lines of ``sweep.file``.

    Raises:
        ConfigError: a line has a mistake, or sets a key that the command line sweeps over.
    """
    swept = {bare_key(override.get_key_element()) for override in overrides if override.is_sweep_override()}
    return [Line(where, _line_overrides(parser, where, texts, swept)) for where, texts in read(path)]


def _line_overrides(parser: OverridesParser, where: str, texts: list[str], swept: set[str]) -> Overrides:
    """Return the overrides of a line by key.

    Args:
        parser: parses each override.
        where: the file and the number of the line, for messages.
        texts: the overrides.
        swept: the keys that the command line sweeps over.

    Raises:
        ConfigError: an override has a mistake, several values, a key in ``swept``, or a key that is not a job's.
    """
    by_key = {}
    for text in texts:
        try:
            with translate_errors(texts):
                (override,) = parser.parse_overrides([text])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error.message}", error.hint) from error
        key = override.get_key_element()
        if override.is_sweep_override():
            raise ConfigError(f"{where}: {text} has several values", "a line is one job; sweep on the command line")
        if key.partition(".")[0] == "sweep" or override.is_hydra_override():
            raise ConfigError(f"{where}: {text} cannot differ between jobs", "put it on the command line")
        if bare_key(key) in swept:
            raise ConfigError(
                f"{where}: {text}, but {bare_key(key)} is swept over on the command line", "leave out one of them"
            )
        by_key[key] = text
    return by_key


def _where(own: Overrides, lines: Sequence[Line]) -> str:
    """Return the line of the file that a point's overrides contain; an empty text if there is none."""
    return next((line.where for line in lines if line.overrides.items() <= own.items()), "")
