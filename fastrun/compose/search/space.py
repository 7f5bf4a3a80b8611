"""The axes of a sweep: lists of values, and intervals of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from fastrun.errors import ConfigError

Overrides = Mapping[str, str]  # the overrides at a place on an axis, by key


class Axis(Protocol):
    """An axis of the space of a sweep.

    Attributes:
        keys: what is set along it, as the command line has them.
        size: how many places it has; infinite for real numbers.
    """

    @property
    def keys(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def size(self) -> float: ...  # noqa: D102

    def places(self) -> Sequence[Overrides]:
        """Return all places on the axis, in order."""
        ...

    def draw(self, generator: Random) -> Overrides:
        """Return a random place on the axis."""
        ...


@dataclass(frozen=True)
class Values:
    """A list of places, each with overrides of all keys of the axis.

    Attributes:
        numbers: the values, where they are numbers in even steps.
    """

    keys: Sequence[str]
    listed: Sequence[Overrides]
    numbers: Sequence[float] | None = None

    @classmethod
    def of(cls, key: str, values: Sequence[str]) -> Values:
        """Return the axis of a single key, with its values in Hydra's grammar."""
        return cls([key], [{key: f"{key}={value}"} for value in values])

    @property
    def size(self) -> float:
        """Return the number of different places."""
        return len({tuple(place.items()) for place in self.listed})

    def places(self) -> Sequence[Overrides]:
        """Return all places on the axis, in order."""
        return self.listed

    def draw(self, generator: Random) -> Overrides:
        """Return a random place; all are equally likely."""
        return generator.choice(self.listed)


@dataclass(frozen=True)
class Interval:
    """The numbers between two bounds, inclusive; only integers if the bounds are integers.

    Attributes:
        log: as many below as above the geometric mean of the bounds, where places are drawn.
    """

    key: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Check that the interval is not empty."""
        setting = f"{self.key}=interval({self.low},{self.high})"
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"{setting} has no numbers between its bounds", "the smaller one comes first")
        if self.log and self.low <= 0:
            raise ConfigError(f"{setting} has no logarithm at {self.low}", "the bounds of tag(log, …) are above 0")

    @property
    def is_whole(self) -> bool:
        """Say whether the interval contains integers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def keys(self) -> Sequence[str]:
        """Return the key of the axis, as a list of one."""
        return [self.key]

    @property
    def size(self) -> float:
        """Return the number of integers; infinity for real numbers."""
        return self.high - self.low + 1 if self.is_whole else math.inf

    def places(self) -> Sequence[Overrides]:
        """Return all integers of the interval.

        Raises:
            ConfigError: it is of real numbers.
        """
        if not self.is_whole:
            hint = "list some, or draw: sweep.random=20, or hydra/sweeper=optuna"
            raise ConfigError(f"{self.key}=interval({self.low},{self.high}) has no end of values", hint)
        return [self.place(number) for number in range(int(self.low), int(self.high) + 1)]

    def place(self, number: float) -> Overrides:
        """Return the place for a number."""
        return {self.key: f"{self.key}={number}"}

    def draw(self, generator: Random) -> Overrides:
        """Return a random place, uniform or log-uniform; real numbers have six digits if the interval is not narrow."""
        edge = 0.5 if self.is_whole else 0.0  # half a number around each, so that the bounds are as likely as others
        low, high = self.low - edge, self.high + edge
        drawn = math.exp(generator.uniform(math.log(low), math.log(high))) if self.log else generator.uniform(low, high)
        rounded = round(drawn) if self.is_whole else float(f"{drawn:.6g}")
        is_near = self.is_whole or abs(rounded - drawn) < (high - low) / 1e4
        return self.place(min(max(rounded if is_near else drawn, self.low), self.high))
