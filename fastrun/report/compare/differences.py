"""What differs in the configs of runs: the choices of groups, and values of keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastrun.report.record import RunRecord

MISSING = "-"  # the value of a key that a run's config does not have

_IGNORED = {"name", "outputs", "seed", "format"}
_IGNORED_PARTS = "choices", "sweep", "speed.found", "batch.found", "on_divergence.rewinds"
_CHOSEN = "speed", "amp", "pipeline"  # groups whose option `auto` fills in values that change no result


@dataclass(frozen=True)
class Differences:
    """The keys in which runs differ.

    Attributes:
        varying: all of them but the seed: ``recipe``, groups such as ``optimizer``, then keys such as ``optimizer.lr``.
        shown: those of them that say something of their own. Where another option of a group was chosen, its other
            default values go without saying.
    """

    varying: list[str]
    shown: list[str]


def find_differences(records: Sequence[RunRecord]) -> Differences:
    """Return the keys in which runs differ."""
    is_recipe = len({record.recipe for record in records}) > 1
    groups = ["recipe"] * is_recipe + sorted(_varying([record.choices for record in records]) - {"recipe"})
    varying_groups = set(groups)
    varying = _varying([record.config for record in records])
    keys = [key for key in _keys(records) if key in varying]
    typed = set().union(*map(typed_keys, records)) if records else set()
    shown = [key for key in keys if key in typed or not _is_implied(records, key, varying_groups)]
    return Differences(groups + keys, groups + shown)


def value_of(record: RunRecord, key: str) -> Any:
    """Return the value of a key of a config, or the option of a group; ``MISSING`` where the run has none."""
    if key == "recipe":
        return record.recipe or "none"
    return record.config.get(key, MISSING) if key in record.config or "." in key else record.choices.get(key, MISSING)


def requested_value_of(record: RunRecord, key: str) -> Any:
    """Return the value of a key as it was asked for: ``auto`` where the run chose it by itself for speed alone."""
    group = key.partition(".")[0]
    is_chosen = "." in key and group in _CHOSEN and record.choices.get(group) == "auto"
    return "auto" if is_chosen and key not in typed_keys(record) else value_of(record, key)


def typed_keys(record: RunRecord) -> set[str]:
    """Return the keys that the command line of a run named."""
    return {override.partition("=")[0].lstrip("+~") for override in record.overrides}


def comparable(value: Any) -> Any:
    """Return a value that is equal to another one's, and hashable, if and only if the two values are equal."""
    return value if isinstance(value, (str, int, float, type(None))) else json.dumps(value, sort_keys=True, default=str)


def format_value(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, default=str).replace('"', "") if isinstance(value, (list, dict)) else str(value)


def _keys(records: Sequence[RunRecord]) -> list[str]:
    """Return the keys of the configs but those that say nothing about how a run trains."""
    keys: dict[str, Any] = {}
    for record in records:
        keys |= record.config
    return [key for key in keys if key not in _IGNORED and not _is_below(key, _IGNORED_PARTS)]


def _is_below(key: str, parts: Sequence[str]) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def _varying(contents: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the keys whose values differ. Each mapping is looked at once, since there may be thousands."""
    first = contents[0]
    varying: set[str] = set()
    for content in contents[1:]:
        if content.keys() != first.keys():
            varying |= first.keys() ^ content.keys()
        varying.update([key for key, value in content.items() if first.get(key) != value])
    return varying


def _is_implied(records: Sequence[RunRecord], key: str, varying_groups: set[str]) -> bool:
    """Say whether a value follows from the option of its group, or was left to the run, which chose for speed."""
    group = key.partition(".")[0]
    if len({comparable(requested_value_of(record, key)) for record in records}) == 1:
        return True
    if group not in varying_groups:
        return False
    values: dict[Any, Any] = {}
    return all(
        values.setdefault(value_of(record, group), value := comparable(value_of(record, key))) == value
        for record in records
    )
