"""Domains: the values that a key or an argument takes, declared once, beside its type.

A domain is a marker in an ``Annotated`` type, of a field in :mod:`fastrun.config.settings` or of a parameter of an
option's target; :func:`check` reads it in both. Every number must be finite, whether a domain is declared or not.
Markers of other packages with the attributes ``ge``, ``gt``, ``le`` and ``lt`` (annotated-types) count as well.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any

from fastrun.config.duration import check_length, to_seconds
from fastrun.config.value_types import fits, is_union, item_types
from fastrun.errors import ConfigError, nearest

_MOST = 2**63 - 1  # of an integer of 64 bits, as tensors have them
_FINITE = "write a finite number"


@dataclass(frozen=True)
class Range:
    """Numbers between two ends.

    Attributes:
        ge: the smallest number.
        gt: what every number is above.
        le: the largest number.
        lt: what every number is below.
        advice: what else the hint says: a usual value, or what to choose instead.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    advice: str = ""

    def check(self, setting: str, value: Any) -> None:
        """Check a number; anything else is left to the check of types.

        Args:
            setting: the key and what was given for it, for the message.
            value: the value.

        Raises:
            ConfigError: the number is not in the range.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        if not isfinite(value):
            raise ConfigError(f"{setting} is not a finite number", self._hint())
        if (self.ge is not None and value < self.ge) or (self.gt is not None and value <= self.gt):
            raise ConfigError(f"{setting} is too small", self._hint())
        if (self.le is not None and value > self.le) or (self.lt is not None and value >= self.lt):
            raise ConfigError(f"{setting} is too large", self._hint())

    def _hint(self) -> str:
        low = self.ge if self.gt is None else self.gt
        high = self.le if self.lt is None else self.lt
        if low is None and high is None:
            return _FINITE
        if high is None:
            text = f"the minimum is {low}" if self.gt is None else f"it must be above {low}"
        elif low is None:
            text = f"the maximum is {high}" if self.lt is None else f"it must be below {high}"
        else:
            text = f"it must be in {'[' if self.gt is None else '('}{low}, {high}{']' if self.lt is None else ')'}"
        return f"{text}; {self.advice}" if self.advice else text


@dataclass(frozen=True)
class Words:
    """A few words.

    Attributes:
        words: all of them.
    """

    words: tuple[str, ...]

    def check(self, setting: str, value: Any) -> None:
        """Check a word; null is left to the check of types.

        Args:
            setting: the key and what was given for it, for the message.
            value: the value.

        Raises:
            ConfigError: the value is not one of the words; the hint names the nearest one or lists all.
        """
        if value is None or value in self.words:
            return
        hint = nearest(str(value), self.words) or f"choose from {', '.join(map(str, self.words))}"
        raise ConfigError(f"{setting} is not known", hint)


@dataclass(frozen=True)
class Length:
    """A text that says how long: ``500`` steps, ``2ep`` epochs, ``5%`` of the run.

    Attributes:
        zero: whether it may be no time at all.
        minutes: whether it may also be a time, ``10min``.
    """

    zero: bool = False
    minutes: bool = False

    def check(self, setting: str, value: Any) -> None:
        """Check a text; null is left to the check of types.

        Args:
            setting: the key and what was given for it, for the message.
            value: the value.

        Raises:
            ConfigError: the text is not such a length.
        """
        if value is not None:
            check_length(str(value), setting, zero=self.zero, minutes=self.minutes)


@dataclass(frozen=True)
class Seconds:
    """A text that says a time: ``90s``, ``30min`` or ``2h``."""

    def check(self, setting: str, value: Any) -> None:
        """Check a text; null is left to the check of types.

        Args:
            setting: the key and what was given for it, for the message.
            value: the value.

        Raises:
            ConfigError: the text is not a time.
        """
        if value is not None:
            to_seconds(str(value), setting.partition("=")[0])


Count = Annotated[int, Range(ge=1)]
Natural = Annotated[int, Range(ge=0)]
Positive = Annotated[float, Range(gt=0)]
NotNegative = Annotated[float, Range(ge=0)]
Share = Annotated[float, Range(ge=0, le=1)]
BelowOne = Annotated[float, Range(ge=0, lt=1)]
Factor = Annotated[float, Range(gt=0, le=1)]


def check(key: str, value: Any, expected: Any = Any) -> None:
    """Check a value against the domain in the annotation of its key or argument.

    Args:
        key: the dotted key, for messages.
        value: a scalar, list, dict or None, whose type fits the annotation.
        expected: the annotation.

    Raises:
        ConfigError: the value is not in the domain, or a number in it is not finite.
    """
    _check(f"{key}={value}", value, expected)


def check_word(key: str, value: Any, words: Sequence[str]) -> None:
    """Check that a value is one of a few words.

    Args:
        key: the dotted key, for messages.
        value: the value.
        words: every allowed value.

    Raises:
        ConfigError: the value is not one of the words; the hint names the nearest one or lists all.
    """
    Words(tuple(words)).check(f"{key}={value}", value)


def _check(setting: str, value: Any, expected: Any) -> None:
    if typing.get_origin(expected) is Annotated:
        kind, *marks = typing.get_args(expected)
        for mark in marks:
            _check_mark(setting, value, mark)
        _check(setting, value, kind)
    elif is_union(expected):
        fitting = [part for part in typing.get_args(expected) if fits(value, part)]
        _check(setting, value, fitting[0] if fitting else Any)
    elif isinstance(value, (list, tuple)):
        kinds = item_types(expected, len(value)) or (Any,) * len(value)
        for item, kind in zip(value, kinds, strict=True):
            _check(f"{setting}: {item}", item, kind)
    elif isinstance(value, Mapping):
        for item in value.values():
            _check(f"{setting}: {item}", item, Any)
    elif isinstance(value, float):
        Range().check(setting, value)
    elif isinstance(value, int) and not -_MOST <= value <= _MOST:
        raise ConfigError(f"{setting} is too large", "it must fit into 64 bits")


def _check_mark(setting: str, value: Any, mark: Any) -> None:
    """Check a value against a marker: one of this module, or a range of another package."""
    if isinstance(mark, (Range, Words, Length, Seconds)):
        mark.check(setting, value)
        return
    ge, gt, le, lt = (getattr(mark, end, None) for end in ("ge", "gt", "le", "lt"))
    Range(ge, gt, le, lt).check(setting, value)
