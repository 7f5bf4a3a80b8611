"""Filters on runs as a user types them: ``model=resnet best>0.9 status=finished``."""

from __future__ import annotations

import difflib
import operator
import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fastrun.config import registry
from fastrun.config.settings import known_keys
from fastrun.errors import UsageError, nearest
from fastrun.report.ages import to_age
from fastrun.report.record import RunRecord

Predicate = Callable[[RunRecord], bool]

_TERM = re.compile(r"([A-Za-z_][\w.]*)\s*(!=|==|>=|<=|=|>|<|~)\s*(.*)", re.DOTALL)
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le
}  # fmt: skip
_FIELDS: dict[str, Callable[[RunRecord], Any]] = {
    "id": lambda record: record.id,
    "name": lambda record: record.name,
    "path": lambda record: str(record.path),
    "recipe": lambda record: record.recipe,
    "status": lambda record: record.status,
    "reason": lambda record: record.reason,
    "metric": lambda record: record.metric,
    "best": lambda record: record.best,
    "best_step": lambda record: record.best_step,
    "target": lambda record: record.target_seconds,
    "reached": lambda record: record.target_reached,
    "steps": lambda record: record.steps,
    "seconds": lambda record: record.train_seconds,
    "wall": lambda record: record.wall_seconds,
    "samples_per_second": lambda record: record.samples_per_second,
    "memory": lambda record: record.peak_memory,
    "seed": lambda record: record.seed,
    "age": lambda record: time.time() - record.started,
    "sweep": lambda record: record.sweep.name if record.sweep else None,
}
FIELDS = tuple(_FIELDS)
_SPELLINGS = {
    "target_seconds": "target",
    "train_seconds": "seconds",
    "wall_seconds": "wall",
    "target_reached": "reached",
    "peak_memory": "memory",
}
_MOST_LISTED = 8  # values in a hint
_EXAMPLE = "write KEY=VALUE, KEY>NUMBER …, such as --filter 'model=resnet best>0.9 status=finished'"


def parse_filter(text: str) -> Predicate:
    """Return the function that says whether a run meets every condition of a text.

    A condition is a key, an operator and a value. A key is one of ``FIELDS``, a group (``model``), or a key of the
    config (``optimizer.lr``). ``=`` and ``!=`` take several values with commas and the wildcards ``*`` and ``?``;
    ``~`` looks for a part of the text; ``<``, ``<=``, ``>`` and ``>=`` compare numbers, and ages such as ``2d``.

    Raises:
        UsageError: the text is no filter, or a key is unknown.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--filter {text}: {str(error).lower()}", _EXAMPLE) from error
    if not words:
        raise UsageError("--filter is empty", _EXAMPLE)
    conditions = [_parse_condition(word) for word in words]
    return lambda record: all(condition(record) for condition in conditions)


def explain(text: str, records: Sequence[RunRecord]) -> str | None:
    """Return the hint on a value that none of the runs has, where that is why a filter finds none.

    Args:
        text: a filter that :func:`parse_filter` takes.
        records: the runs, none of which meets it.
    """
    for word in shlex.split(text):
        match = _TERM.fullmatch(word)
        if match is None or match[2] not in ("=", "==") or any(map(_parse_condition(word), records)):
            continue
        value_of = _value_getter(_SPELLINGS.get(match[1], match[1]), word)
        found = {_text(value_of(record)) for record in records} - {"null"}
        if not found:
            return f"none of these runs has {match[1]}"
        shown = sorted(found)[:_MOST_LISTED] + ["…"] * (len(found) > _MOST_LISTED)
        return nearest(match[3], found) or f"{match[1]} of these runs: {', '.join(shown)}"
    return None


def _parse_condition(word: str) -> Predicate:
    match = _TERM.fullmatch(word)
    if not match or not match[3]:
        raise UsageError(f"--filter: {word} is not a condition", _EXAMPLE)
    key, sign, value = match.groups()
    value_of = _value_getter(_SPELLINGS.get(key, key), word)
    if sign in _ORDER:
        compare, bound = _ORDER[sign], to_age(value, word) if key == "age" else _number(value, word)
        return lambda record: _is_number(found := value_of(record)) and compare(found, bound)
    if sign == "~":
        return lambda record: value.casefold() in _text(value_of(record)).casefold()
    wanted = [value] if value.startswith("[") else value.split(",")
    if sign == "!=":
        return lambda record: not any(_is_equal(value_of(record), one) for one in wanted)
    return lambda record: any(_is_equal(value_of(record), one) for one in wanted)


def _value_getter(key: str, word: str) -> Callable[[RunRecord], Any]:
    """Return the function that takes the value of a key from a record.

    Raises:
        UsageError: there is no such key.
    """
    if key in _FIELDS:
        return _FIELDS[key]
    groups = registry.groups()
    if key in groups:
        return lambda record: record.choices.get(key)
    if key.partition(".")[0] in (*groups, "callbacks") or key in (known := list(known_keys())):
        return lambda record: record.config.get(key)
    raise UsageError(f"--filter: {word}: no run has the key {key}", _hint(key, [*_FIELDS, *groups, *known]))


def _hint(key: str, known: Iterable[str]) -> str:
    """Return the most similar key, or the end of a dotted one, or the keys there are."""
    ends = [name for name in known if name.endswith(f".{key}")]
    ends += [f"{group}.{key}" for group in registry.groups() if key in registry.keys(group)]
    close = ends[:1] or difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"keys: {', '.join(_FIELDS)}, groups such as model, and their keys"


def _number(value: str, word: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"--filter: {word}: {value} is not a number", "compare texts with = or ~") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """Return a value as it is typed on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(_text, value))}]" if isinstance(value, list) else str(value)


def _is_equal(value: Any, wanted: str) -> bool:
    """Say whether a value is the one that was typed: numbers by value, texts with wildcards."""
    if _is_number(value):
        try:
            return float(wanted) == float(value)
        except ValueError:
            return False
    return _text(value) == wanted.replace(", ", ",") or fnmatchcase(_text(value), wanted)
