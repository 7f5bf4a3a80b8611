"""Times steps of a run with each candidate, in turns, one dimension at a time.

What a candidate is, :mod:`fastrun.tune.auto.candidates` says; only its seconds matter here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, Protocol

from fastrun.system import memory
from fastrun.tune.auto.dimensions import Choice, Dimension, describe

_WARM_STEPS = 3  # of a candidate, not timed: they choose kernels, allocate memory, and make the optimizer's state
_BLOCK_SECONDS = 0.005  # that steps are timed together for at least
_MOST_STEPS = 64  # of a block
_GAP = 1.05  # less is not worth a number
_HOPELESS = 4.0  # times the fastest: a candidate whose first step takes longer is not timed again
_MOST_ROUNDS = 7
_LEAST_ROUNDS = 3
_LONG_STEP = 0.05  # seconds: from here on, fewer steps have to be enough
_VERY_LONG_STEP = 0.1  # seconds: from here on, a single one of each is enough if they differ clearly
_CLEAR = 1.3  # times as long in every round: more rounds would not change the answer


class Candidate(Protocol):
    """Steps with some values of the settings."""

    def take(self, steps: int, threads: int) -> None:
        """Take some steps, and return when they are done."""


@dataclass(frozen=True)
class Row:
    """What was measured of one value.

    Attributes:
        key: the dotted key.
        value: the value.
        seconds: of a step, the median over the rounds; None if it failed.
        verdict: why it was chosen or not, in words.
    """

    key: str
    value: Any
    seconds: float | None
    verdict: str

    def plain(self) -> dict[str, Any]:
        """Return the row as plain data, for config.yaml and summary.json."""
        milliseconds = None if self.seconds is None else float(f"{1e3 * self.seconds:.4g}")
        return {"setting": describe(self.key, self.value), "ms": milliseconds, "verdict": self.verdict}


@dataclass
class TrialResult:
    """The outcome of a trial.

    Attributes:
        choice: the value of each dimension.
        step_seconds: the seconds of a step with all of them.
        rows: what was measured.
    """

    choice: dict[str, Any]
    step_seconds: float
    rows: list[Row] = field(default_factory=list)

    def has(self, key: str) -> bool:
        """Say whether values of a key were measured."""
        return any(row.key == key for row in self.rows)


class Trial:
    """Chooses a value of each dimension.

    Args:
        build: returns a candidate for a choice without the number of threads.
        budget: the seconds that the trial may take; it can be set later, when a step has been timed.
        clock: returns seconds.
    """

    def __init__(
        self, build: Callable[[Choice], Candidate], budget: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.budget = budget
        self._build, self._clock = build, clock
        self._begin = clock()
        self._built: dict[tuple[Any, ...], Candidate] = {}

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.budget - (self._clock() - self._begin)

    def first_step(self, choice: Choice) -> float:
        """Return the seconds of a step with a choice, the least of some: what else runs only makes it longer.

        The budget counts from here on, since the first steps of a process prepare what the run needs as well.
        """
        candidate = self._candidate(choice)
        seconds = min(self._time(candidate, 1, choice["speed.threads"]) for _ in range(_LEAST_ROUNDS))
        self._begin = self._clock()
        return seconds

    def run(self, dimensions: Sequence[Dimension], start: Choice, step_seconds: float) -> TrialResult:
        """Try the values of each dimension in turn, as long as there is time.

        Args:
            dimensions: what to choose, the most important first.
            start: a value of each, and of ``speed.threads``.
            step_seconds: the seconds of a step with it.
        """
        result = TrialResult(dict(start), step_seconds)
        for dimension in dimensions:
            if len(dimension.values) > 1 and self.left > _least_seconds(dimension, result.step_seconds):
                self._choose(dimension, result)
        return result

    def try_compiled(self, result: TrialResult, steps: int) -> None:
        """Try out torch.compile, which pays if it saves more in all the steps of a run than it takes at their start.

        This may take longer than the budget.

        Args:
            result: what was chosen so far, to which the outcome is added.
            steps: the steps of the run.
        """
        key, choice, begin = "speed.compile", {**result.choice, "speed.compile": True}, self._clock()
        failed: dict[Any, str] = {}
        result.choice[key] = False
        try:
            self._candidate(choice)
        except Exception as error:  # a compiler can fail in any way
            failed[True] = _reason(error)
        cost = self._clock() - begin
        times = [
            seconds for _ in range(_MOST_ROUNDS) for seconds in self._round({True: choice}, {True: 1}, failed).values()
        ]
        if failed:
            result.rows.append(Row(key, True, None, f"failed: {failed[True]}"))
            return
        seconds = median(seconds for (seconds,) in times)
        saved = (result.step_seconds - seconds) * steps
        result.choice[key] = saved > cost
        verdict = f"{'chosen: ' if saved > cost else ''}takes {cost:.0f} s and saves {max(0.0, saved):.0f} s"
        result.rows.append(Row(key, True, seconds, verdict))
        if saved > cost:
            result.step_seconds = seconds

    def _choose(self, dimension: Dimension, result: TrialResult) -> None:
        """Measure the values of a dimension, and put the best one into the result."""
        key, arms, failed = dimension.key, {}, {}
        for value in dimension.values:
            choice = {**result.choice, key: value}
            try:
                self._candidate(choice)
            except Exception as error:  # whatever a kernel or the user's network raises, another value may work
                failed[value] = _reason(error)
                memory.release_unused()
            else:
                arms[value] = choice
            if self.left <= 0:
                break
        times = self._in_turns(arms, failed)
        if len(times) + len(failed) > 1 and times:
            seconds = {value: median(values) for value, values in times.items()}
            best = _best(seconds, dimension.values, _least_gain(dimension, times))
            result.choice[key], result.step_seconds = best, seconds[best]
            result.rows += [Row(key, value, seconds[value], _verdict(value, best, seconds)) for value in seconds]
        result.rows += [Row(key, value, None, f"failed: {reason}") for value, reason in failed.items()]
        self._forget(result.choice)

    def _in_turns(self, arms: Mapping[Any, Choice], failed: dict[Any, str]) -> dict[Any, list[float]]:
        """Time the arms in turns (A B A B …) until there are enough rounds, or no time is left for another one.

        In the first round each takes a single step. An arm that takes many times as long as another one is out then:
        threads that wait for one another on a busy machine can take a hundred times as long.
        """
        times = self._round(arms, dict.fromkeys(arms, 1), failed)
        fastest = min((first for (first,) in times.values()), default=0.0)
        racing = {value: arms[value] for value, (first,) in times.items() if first <= _HOPELESS * fastest}
        steps = {value: _steps_of_block(times[value][0]) for value in racing}
        for value in racing:
            if steps[value] > 1:
                times[value] = []
        least = _least_rounds(fastest)
        if fastest >= _VERY_LONG_STEP and (_is_clear(times) or self.left < _sum(times)):
            racing = {}  # these steps are all there is time for
        for number in range(_MOST_ROUNDS if len(racing) > 1 else len(racing)):
            begin = self._clock()
            for value, seconds in self._round(racing, steps, failed).items():
                times[value] += seconds
            if self.left <= 0 or (number + 1 >= least and self.left < self._clock() - begin):
                break
            if _is_clear({value: times[value] for value in racing if value not in failed}):
                break
        return {value: seconds for value, seconds in times.items() if seconds and value not in failed}

    def _round(
        self, arms: Mapping[Any, Choice], steps: Mapping[Any, int], failed: dict[Any, str]
    ) -> dict[Any, list[float]]:
        """Return the seconds of a step of each arm that has not failed."""
        times = {}
        for value, choice in arms.items():
            try:
                if value not in failed:
                    times[value] = [self._time(self._candidate(choice), steps[value], choice["speed.threads"])]
            except Exception as error:  # whatever a kernel or the user's network raises, another value may work
                failed[value] = _reason(error)
        return times

    def _time(self, candidate: Candidate, steps: int, threads: int) -> float:
        """Return the seconds of a step; where steps are short, the one after threads have been started is left out."""
        if steps > 1:
            candidate.take(1, threads)
        begin = self._clock()
        candidate.take(steps, threads)
        return (self._clock() - begin) / steps

    def _candidate(self, choice: Choice) -> Candidate:
        """Return the candidate of a choice, which has taken its first steps; the number of threads is no part of it."""
        name = _name(choice)
        if name not in self._built:
            candidate = self._build({key: value for key, value in choice.items() if key != "speed.threads"})
            begin = self._clock()
            candidate.take(_WARM_STEPS - 1, choice["speed.threads"])
            if self._clock() - begin < _LONG_STEP:
                candidate.take(1, choice["speed.threads"])
            self._built[name] = candidate
        return self._built[name]

    def _forget(self, choice: Choice) -> None:
        """Keep only the candidate of a choice."""
        kept = self._built.get(_name(choice))
        self._built = {} if kept is None else {_name(choice): kept}


def _warm_steps(step_seconds: float) -> int:
    """Return how many steps a candidate takes before it is timed: the second already has its own kernels."""
    return _WARM_STEPS if step_seconds < _LONG_STEP else _WARM_STEPS - 1


def _least_rounds(step_seconds: float) -> int:
    """Return how many rounds candidates are timed in at least: those of long steps vary less."""
    return _LEAST_ROUNDS - (step_seconds >= _LONG_STEP) - (step_seconds >= _VERY_LONG_STEP)


def _least_seconds(dimension: Dimension, step_seconds: float) -> float:
    """Return the seconds that it takes at least to measure the values of a dimension, the first of which is built."""
    count = len(dimension.values)
    warm = 0 if dimension.key == "speed.threads" else (count - 1) * _warm_steps(step_seconds) * step_seconds
    return warm + count * _least_rounds(step_seconds) * max(step_seconds, _BLOCK_SECONDS)


def _is_clear(times: Mapping[Any, list[float]]) -> bool:
    """Say whether one arm has been faster than each other one in all rounds so far, and by far."""
    best = min(times, key=lambda value: median(times[value]), default=None)
    others = (seconds for value, seconds in times.items() if value != best)
    return all(min(seconds) > _CLEAR * max(times[best]) for seconds in others)


def _sum(times: Mapping[Any, list[float]]) -> float:
    """Return the seconds of a round of steps, from those of the first round."""
    return sum(first for (first,) in times.values())


def _name(choice: Choice) -> tuple[Any, ...]:
    return tuple(sorted((key, value) for key, value in choice.items() if key != "speed.threads"))


def _steps_of_block(seconds: float) -> int:
    """Return how many steps are timed together, from the seconds of one."""
    return max(1, min(_MOST_STEPS, int(_BLOCK_SECONDS / max(seconds, 1e-9))))


def _least_gain(dimension: Dimension, times: Mapping[Any, Sequence[float]]) -> float:
    """Return how many times as fast another value must be; values that were timed once have to differ clearly."""
    is_once = max(map(len, times.values())) == 1
    return max(dimension.gain, _CLEAR) if is_once else dimension.gain


def _best(seconds: Mapping[Any, float], order: Sequence[Any], gain: float) -> Any:
    """Return the first value that no later one is that many times as fast as."""
    values = [value for value in order if value in seconds]
    best = values[0]
    for value in values[1:]:
        if seconds[value] * gain < seconds[best]:
            best = value
    return best


def _verdict(value: Any, best: Any, seconds: Mapping[Any, float]) -> str:
    """Return why a value was chosen or not."""
    if value == best:
        return "chosen"
    ratio = seconds[value] / seconds[best]
    if ratio >= _GAP:
        return f"{ratio:.1f} times as long"
    return "about as fast" if 1 / ratio < _GAP else f"only {1 / ratio:.2f} times as fast"


def _reason(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
