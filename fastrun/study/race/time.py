"""How the time of a race is parted: what the comparison will take is kept back, the search gets the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from fastrun.config.duration import to_seconds
from fastrun.errors import ConfigError
from fastrun.study.estimate import format_time
from fastrun.study.planning import PACE_SECONDS
from fastrun.study.race.halving import later_walks
from fastrun.study.results import Outcome

WALK, START = 2.5, 0.3  # runs of a ladder in the usual case, and the least seconds of one, start-up included
_FEWEST = 4  # candidates of a search


@dataclass(frozen=True)
class Time:
    """The time of a race, in seconds.

    Attributes:
        search: what the search may take; None for any time.
        comparison: about what the comparison takes.
    """

    search: float | None
    comparison: float


def walk_seconds(pilot_runs: Sequence[Outcome], steps: int) -> float:
    """Return about what it takes to train the given run to the target with one seed.

    Args:
        pilot_runs: runs of it.
        steps: about how many steps it takes.
    """
    per_step = median(run.seconds / max(1, run.steps) for run in pilot_runs if run.summary)
    return WALK * max(START, per_step * steps)


def time_of(budget: str | None, blocks: int, pilot_runs: Sequence[Outcome], steps: int, jobs: int) -> Time:
    """Return how the time of a race is parted.

    It counts the seconds of the runs alone, so that a race that is resumed decides as one that was left alone.

    Args:
        budget: the time of all runs; None for any.
        blocks: the seeds of the comparison.
        pilot_runs: the runs that there are so far, all of the given run.
        steps: about how many steps it takes to the target.
        jobs: how many runs there are at a time.

    Raises:
        ConfigError: there is no time for a search of a few candidates.
    """
    walk = walk_seconds(pilot_runs, steps)
    comparison = blocks * 2 * (walk / jobs + PACE_SECONDS + START)
    if budget is None:
        return Time(None, comparison)
    spent = sum(run.seconds for run in pilot_runs) / jobs
    search = to_seconds(budget, "race.budget") - spent - comparison
    least = (_FEWEST + later_walks(_FEWEST, 1)) * walk / jobs
    if search < least:
        message = f"race.budget={budget} is too short: the comparison takes about {format_time(comparison)}"
        hint = f"give it {format_time(1.1 * (spent + comparison + least))} or more: {format_time(least)} to search in"
        raise ConfigError(message, hint)
    return Time(search, comparison)
