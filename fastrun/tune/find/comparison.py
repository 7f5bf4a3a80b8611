"""Values of a number beside each other: the loss of short runs with each, the same seeds for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from statistics import median

from fastrun.config.settings import Settings
from fastrun.tune.find.effort import Effort
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.short_run import short_run
from fastrun.tune.find.subject import Subject


@dataclass(frozen=True)
class Candidate:
    """A value that was tried.

    Attributes:
        value: the value.
        losses: the validation loss of the short run with each seed; infinity where it diverged.
    """

    value: float
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Return the median of the losses."""
        return median(self.losses)

    def beats(self, other: Candidate) -> bool:
        """Say whether the loss is lower than that of another value with every seed."""
        return all(own < loss for own, loss in zip(self.losses, other.losses, strict=True))


@dataclass
class Comparison:
    """Tries values.

    Args:
        subject: the run.
        effort: the seeds and the steps of the short runs.
        meter: counts the steps.
        change: returns the settings with a value.
        name: what the value is of, for the progress.

    Attributes:
        tried: the values that have been tried, by value.
    """

    subject: Subject
    effort: Effort
    meter: Meter
    change: Callable[[Settings, float], Settings]
    name: str
    tried: dict[float, Candidate] = field(default_factory=dict)
    _announced: set[float] = field(default_factory=set)

    def announce(self, values: Iterable[float]) -> None:
        """Expect the steps of values that will be measured."""
        new = set(values) - self._announced
        self._announced |= new
        self.meter.expect(len(new) * self.effort.seeds * self.effort.steps)

    def measure(self, value: float) -> Candidate:
        """Return the losses with a value; each is measured once."""
        if value not in self.tried:
            self.announce([value])
            self.tried[value] = Candidate(value, tuple(self._run(value, seed) for seed in self._seeds))
        return self.tried[value]

    @property
    def _seeds(self) -> range:
        return self.subject.seeds(self.effort.seeds)

    def _run(self, value: float, seed: int) -> float:
        self.meter.begin(f"{self.name}={value:g}, seed {seed}")
        settings = replace(self.change(self.subject.settings, value), seed=seed)
        return short_run(self.subject, settings, self.effort.steps, self.meter)

    @property
    def candidates(self) -> list[Candidate]:
        """Return what has been tried, by value."""
        return [self.tried[value] for value in sorted(self.tried)]

    @property
    def best(self) -> Candidate:
        """Return the value with the lowest loss; of several, the smallest."""
        return min(self.candidates, key=lambda candidate: candidate.loss)

    def search(self, start: range, value_at: Callable[[int], float], more: int) -> int:
        """Try the values of a ladder, and go on beyond its end while the best one is there.

        Args:
            start: the rungs to try, evenly spaced.
            value_at: returns the value of a rung; values rise with the rungs.
            more: the rungs to go on at each end, at most.

        Returns:
            The rung of the best value.
        """
        self.announce(map(value_at, start))
        losses = {rung: self.measure(value_at(rung)).loss for rung in start}
        for end, step in ((min, -start.step), (max, start.step)):
            for _ in range(more):
                best = min(sorted(losses), key=lambda rung: losses[rung])
                if best != end(losses):
                    break
                losses[best + step] = self.measure(value_at(best + step)).loss
        return min(sorted(losses), key=lambda rung: losses[rung])
