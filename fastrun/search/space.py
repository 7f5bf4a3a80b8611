"""What a sweep goes along: a list of values, or the numbers between two bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from fastrun.errors import ConfigError

Overrides = Mapping[str, str]  # key to override: what one place on an axis says


class Axis(Protocol):
    """One dimension of the space that a sweep is over.

    Attributes:
        keys: what is set along it, as the command line has them.
        size: how many places it has; infinite for real numbers.
    """

    @property
    def keys(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def size(self) -> float: ...  # noqa: D102

    def sides(self) -> Sequence[Overrides]:
        """Return all places in order."""
        ...

    def draw(self, chance: Random) -> Overrides:
        """Return one of the places."""
        ...


@dataclass(frozen=True)
class Values:
    """Places one after another, each saying something of all keys.

    Attributes:
        numbers: the values, where they are numbers in even steps.
    """

    keys: Sequence[str]
    listed: Sequence[Overrides]
    numbers: Sequence[float] | None = None

    @classmethod
    def of(cls, key: str, values: Sequence[str]) -> Values:
        """Return the places of a single key, its values in Hydra's grammar."""
        return cls([key], [{key: f"{key}={value}"} for value in values])

    @property
    def size(self) -> float:
        """Count them, those that say the same once."""
        return len({tuple(side.items()) for side in self.listed})

    def sides(self) -> Sequence[Overrides]:
        """Return them."""
        return self.listed

    def draw(self, chance: Random) -> Overrides:
        """Return one, all alike likely."""
        return chance.choice(self.listed)


@dataclass(frozen=True)
class Interval:
    """The numbers between two bounds, both included; whole ones where the bounds are integers.

    Attributes:
        log: as many below as above the geometric mean of the bounds, where places are drawn.
    """

    key: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse bounds that have nothing between them."""
        said = f"{self.key}=interval({self.low},{self.high})"
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f"{said} has no numbers between its bounds", "the smaller one comes first")
        if self.log and self.low <= 0:
            raise ConfigError(f"{said} has no logarithm at {self.low}", "the bounds of tag(log, …) are above 0")

    @property
    def is_whole(self) -> bool:
        """Say whether it is of integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def keys(self) -> Sequence[str]:
        """Return its key."""
        return [self.key]

    @property
    def size(self) -> float:
        """Count the integers; real numbers have no end."""
        return self.high - self.low + 1 if self.is_whole else math.inf

    def sides(self) -> Sequence[Overrides]:
        """Return the integers.

        Raises:
            ConfigError: it is of real numbers.
        """
        if not self.is_whole:
            hint = "list some, or draw: sweep.random=20, or hydra/sweeper=optuna"
            raise ConfigError(f"{self.key}=interval({self.low},{self.high}) has no end of values", hint)
        return [self.side(number) for number in range(int(self.low), int(self.high) + 1)]

    def side(self, number: float) -> Overrides:
        """Return the place of a number."""
        return {self.key: f"{self.key}={number}"}

    def draw(self, chance: Random) -> Overrides:
        """Return one, uniform or log-uniform; of a real number six digits, unless the interval is narrow."""
        edge = 0.5 if self.is_whole else 0.0  # half a number around each, so that the bounds are as likely as others
        low, high = self.low - edge, self.high + edge
        drawn = math.exp(chance.uniform(math.log(low), math.log(high))) if self.log else chance.uniform(low, high)
        rounded = round(drawn) if self.is_whole else float(f"{drawn:.6g}")
        is_near = self.is_whole or abs(rounded - drawn) < (high - low) / 1e4
        return self.side(min(max(rounded if is_near else drawn, self.low), self.high))
