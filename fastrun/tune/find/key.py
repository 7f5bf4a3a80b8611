"""A number of a config that can be looked for: its value, its scale, and how another value is written.

A number above 0 has a logarithmic scale (a rate, a weight decay, a limit). Of a share of what is kept (a momentum, the
decay of an average) it is the distance from 1 that has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from fastrun.config import constraints, registry, unused
from fastrun.config.constraints import Range
from fastrun.config.settings import CLOSED, OPEN, Settings, known_keys
from fastrun.config.synonyms import key_hint
from fastrun.errors import ConfigError, nearest
from fastrun.tune.find.domain import annotation_of, is_whole, range_of

_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of the present value
_FROM_ZERO = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)  # where the present value is 0, which has no logarithm
_FROM_ONE = (0.0, 0.01, 0.03, 0.1, 0.3)  # distances from 1 where the present one is 0
_TO_ONE = (1.0, 0.3, 0.1, 0.03, 0.01)  # and where nothing is kept
_KEPT = 0.5  # shares from here on are looked for by their distance from 1
_KEEPING = ("momentum", "beta", "decay", "alpha")  # in the names of shares of what is kept, which may be 0
_LEAST = 1e-8  # the smallest distance to go on from
_NOT_COMPARABLE = {
    "data": "changes the data, and losses on other data cannot be compared",
    "tokenizer": "changes the tokens, and losses of other tokens cannot be compared",
    "loss": "changes the loss itself, which then cannot be compared",
}
_WITHOUT_EFFECT = (
    "target", "early_stopping", "checkpoint", "on_divergence", "sweep", "device", "speed", "pipeline", "logger", "amp",
)  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A number of a config.

    Attributes:
        key: its dotted key.
        value: its value in the config; of a list, the first one.
        domain: the numbers that it may be, if they are declared.
        rest: the other values of a list, which stay; None where the value is no list.
    """

    key: str
    value: float
    domain: Range | None
    rest: tuple[Any, ...] | None

    @property
    def is_kept_share(self) -> bool:
        """Say whether the scale is that of the distance from 1."""
        if self.domain is None or 1 not in (self.domain.lt, self.domain.le):
            return False
        is_keeping = any(word in self.key.partition(".")[2] for word in _KEEPING)
        return self.value >= _KEPT or (self.value == 0 and is_keeping)

    def distance(self, value: float) -> float:
        """Return what has the logarithmic scale: a value itself, or its distance from 1; and the reverse."""
        return float(f"{1 - value:.9g}") if self.is_kept_share else value

    def grid(self) -> list[float]:
        """Return the values to try, the present one among them: each about three times the one before."""
        distance = self.distance(self.value)
        if distance == 0:
            distances = list(_FROM_ONE if self.is_kept_share else _FROM_ZERO)
        elif self.is_kept_share and distance == 1:
            distances = list(_TO_ONE)
        else:
            distances = [_rounded(distance * factor) for factor in _FACTORS]
        values = {self.distance(one) for one in distances} | {self.value}
        return sorted(filter(self.allows, values))

    def beyond(self, value: float, *, up: bool) -> float | None:
        """Return the value after an end of the grid; None where the domain ends, or a value has no logarithm."""
        distance = self.distance(value)
        if not _LEAST < distance < 1 / _LEAST:
            return None
        further = self.distance(_rounded(distance * (3 if up != self.is_kept_share else 1 / 3)))
        return further if self.allows(further) else None

    def allows(self, value: float) -> bool:
        """Say whether a value is in the domain."""
        try:
            constraints.check(self.key, value, Annotated[float, self.domain] if self.domain else Any)
        except ConfigError:
            return False
        return True

    def change(self, settings: Settings, value: float) -> Settings:
        """Return settings with another value of the number."""
        group, _, name = self.key.partition(".")
        content = value if self.rest is None else [value, *self.rest]
        section = getattr(settings, group)
        changed = section | {name: content} if group in OPEN else replace(section, **{name: content})
        return replace(settings, **{group: changed})

    def override(self, value: float) -> str:
        """Return what sets the number to a value on a command line."""
        if self.rest is None:
            return f"{self.key}={value:.9g}"
        return f"{self.key}=[{','.join(f'{one:.9g}' for one in (value, *self.rest))}]"


def find_number(settings: Settings, what: str) -> Number:
    """Return the number that a user names.

    Args:
        settings: the settings of the run.
        what: the dotted key, or ``momentum`` for SGD's momentum or the first beta of Adam.

    Raises:
        ConfigError: there is no such key, the run does not use it, or it has no log scale.
    """
    try:
        return _look_up(settings, _momentum_key(settings) if what == "momentum" else what)
    except ConfigError as error:
        if error.hint is not None:
            raise
        raise ConfigError(error.message, _what_there_is(settings)) from error


def _look_up(settings: Settings, key: str) -> Number:
    """Return the number of a key.

    Raises:
        ConfigError: there is no such key, the run does not use it, or it has no log scale.
    """
    group, dot, name = key.partition(".")
    if not dot or group not in (*OPEN, *CLOSED):
        raise _unknown(settings, key)
    section = getattr(settings, group)
    is_there = name in section if group in OPEN else hasattr(section, name)
    refusal = unused.refusal(settings, key, "…")
    if refusal is not None and (is_there or name in registry.keys(group)):
        raise refusal
    if not is_there:
        raise _unknown(settings, key)
    if group in _NOT_COMPARABLE:
        raise ConfigError(f"{key} {_NOT_COMPARABLE[group]}")
    if group in _WITHOUT_EFFECT:
        raise ConfigError(f"{key} does not change how the network trains")
    value = section[name] if group in OPEN else getattr(section, name)
    return _check_scale(key, value, annotation_of(settings, key))


def _rounded(value: float) -> float:
    """Return a number with two significant digits, as it is typed."""
    return float(f"{value:.2g}")


def findable(settings: Settings) -> Iterator[str]:
    """Yield the keys of a run's numbers that can be looked for, those of the optimizer first."""
    groups = sorted((*OPEN, *CLOSED), key=lambda group: group != "optimizer")
    for group in groups:
        section = getattr(settings, group)
        for name in section if group in OPEN else [entry.name for entry in fields(section)]:
            with suppress(ConfigError):
                yield _look_up(settings, f"{group}.{name}").key


def _what_there_is(settings: Settings) -> str:
    keys = [key for key in findable(settings) if key != "optimizer.lr" and not key.endswith("eps")]
    return f"what can be found: {', '.join(['lr', 'batch', *keys[:4]])}"


def _momentum_key(settings: Settings) -> str:
    for name in ("momentum", "betas"):
        if name in settings.optimizer:
            return f"optimizer.{name}"
    choice = settings.choices.get("optimizer")
    raise ConfigError(f"momentum: optimizer={choice} has none", "choose optimizer=nesterov or optimizer=adamw")


def _unknown(settings: Settings, key: str) -> ConfigError:
    """Return the error for a key that is not one of the run's numbers."""
    group, _, name = key.partition(".")
    if group in OPEN and name in registry.keys(group):
        choice = settings.choices.get(group)
        using = [option for option, entry in registry.options(group).items() if name in entry.content()]
        hint = f"choose {' or '.join(f'{group}={option}' for option in using[:3])}"
        return ConfigError(f"{key}: {group}={choice} does not have it", hint)
    if key in Settings.__dataclass_fields__ and key not in (*OPEN, *CLOSED):
        return ConfigError(f"{key} has no log scale")
    if key in (*OPEN, *CLOSED):
        return ConfigError(f"{key} is a group, not a number")
    known = [*known_keys(), *(f"{group}.{name}" for group in OPEN for name in getattr(settings, group))]
    return ConfigError(
        f"{key} is no key of this run", key_hint(key, None) or nearest(key, ["lr", "batch", "momentum", *known])
    )


def _check_scale(key: str, value: Any, annotation: Any) -> Number:
    """Return the number with a value.

    Raises:
        ConfigError: the value is no number, or it has no log scale.
    """
    rest = tuple(value[1:]) if isinstance(value, (list, tuple)) and value else None
    first = value[0] if rest is not None else value
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        raise ConfigError(f"{key}={'null' if value is None else value} is no number")
    if is_whole(annotation) or (annotation in (Any, list, tuple) and isinstance(first, int)):
        raise ConfigError(f"{key}={value} is a whole number, which has no log scale")
    domain = range_of(annotation)
    low = None if domain is None else (domain.ge if domain.gt is None else domain.gt)
    is_undeclared = domain is None and (first == 0 or key.startswith("schedule."))  # those are lengths
    if is_undeclared or first < 0 or (low is not None and low < 0):
        raise ConfigError(f"{key}={value} has no log scale")
    return Number(key, float(first), domain, rest)
