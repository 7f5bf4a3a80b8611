"""Trying overrides: a training with them and the one without take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median

from fastrun.config.duration import to_minutes
from fastrun.config.plan import make_plan
from fastrun.config.settings import Settings
from fastrun.errors import FastrunError
from fastrun.system.memory import is_out_of_memory, release_unused
from fastrun.tune.diagnose.candidates import Candidate
from fastrun.tune.diagnose.evaluation import measure_validation
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.steps import whole_step
from fastrun.tune.diagnose.trial import Trial

HELPS = 1.05  # times as many samples a second, from which on an override is worth typing
_TURNS = 3
_BESIDE_STEPS = {"val_every", "checkpoint.every", "batch.eval_size"}  # what changes no step


@dataclass(frozen=True)
class Outcome:
    """What became of overrides that were tried.

    Attributes:
        candidate: the overrides.
        factor: how many times as many samples a second the run takes with them, validations and checkpoints included;
            None where that was not measured.
        measured: the numbers with them; None where they were not measured.
        failure: why they were not; empty where they were.
    """

    candidate: Candidate
    factor: float | None
    measured: Measured | None = None
    failure: str = ""

    @property
    def helps(self) -> bool:
        """Say whether they are worth typing."""
        return self.factor is not None and self.factor >= HELPS

    @property
    def changes_steps(self) -> bool:
        """Say whether they change what a step takes, and not only what a run does between its steps."""
        return not self.candidate.changes.keys() <= _BESIDE_STEPS


def best_outcome(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the outcome that helps most; None where none helps.

    Of two that help about as much, the first is taken: simpler values are tried before others.
    """
    best: Outcome | None = None
    for outcome in outcomes:
        if outcome.helps and (best is None or (outcome.factor or 0.0) >= HELPS * (best.factor or 0.0)):
            best = outcome
    return best


def try_all(
    candidates: list[Candidate], base: Trial, measured: Measured, seconds: float, say: Callable[[str], None]
) -> list[Outcome]:
    """Try candidates one after another, then those that helped together.

    Args:
        candidates: the candidates.
        base: the training without them.
        measured: what was measured of that.
        seconds: the time for all of them, about.
        say: is told what is tried.

    Returns:
        The outcome of each candidate, and of those that help together, where several do.
    """
    each = seconds / (len(candidates) + 1)

    def attempt(candidate: Candidate) -> Outcome:
        say(f"trying {' '.join(candidate.overrides)}")
        return _attempt(candidate, base, measured, each)

    outcomes = [attempt(candidate) for candidate in candidates]
    helping = _best_by_key(outcomes)
    if len(steps := [one for one in helping if one.changes_steps]) > 1:
        outcomes.append(attempt(_together(steps)))
    best_step = best_outcome(one for one in outcomes if one.changes_steps)
    others = [one for one in helping if not one.changes_steps]
    if len(joined := [*([best_step] if best_step else []), *others]) > 1:
        outcomes.append(_add_up(joined, base, measured))
    return outcomes


def _best_by_key(outcomes: list[Outcome]) -> list[Outcome]:
    """Return the outcomes that help, the best one first; of those that set the same key, the best alone."""
    keys = dict.fromkeys(next(iter(outcome.candidate.changes)) for outcome in outcomes)
    best = [best_outcome(one for one in outcomes if next(iter(one.candidate.changes)) == key) for key in keys]
    return sorted(filter(None, best), key=lambda one: -(one.factor or 0.0))


def _together(outcomes: list[Outcome]) -> Candidate:
    changes = {key: value for outcome in outcomes for key, value in outcome.candidate.changes.items()}
    cautions = dict.fromkeys(outcome.candidate.caution for outcome in outcomes if outcome.candidate.caution)
    return Candidate(changes, "; ".join(cautions))


def _attempt(candidate: Candidate, base: Trial, measured: Measured, seconds: float) -> Outcome:
    """Try a candidate. Whatever it raises puts it out, and the diagnosis goes on."""
    try:
        changed = _measure(candidate, base, measured, seconds)
        return Outcome(candidate, measured.seconds_per_sample / changed.seconds_per_sample, changed)
    except FastrunError as error:
        return Outcome(candidate, None, failure=error.message)
    except Exception as error:
        if is_out_of_memory(error):
            return Outcome(candidate, None, failure="out of memory")
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Outcome(candidate, None, failure=first_line[:200])
    finally:
        base.use_threads()
        release_unused()


def _measure(candidate: Candidate, base: Trial, measured: Measured, seconds: float) -> Measured:
    """Return the numbers of a training with a candidate."""
    settings = candidate.apply(base.settings)
    if candidate.changes.keys() <= _BESIDE_STEPS:
        changed = _planned(measured, settings)
        if "batch.eval_size" in candidate.changes:
            seconds_each = measure_validation(Trial(settings, base.parts.setup, base.timer.clock), seconds / 2)
            changed = replace(changed, validation=seconds_each)
        return changed
    other = Trial(settings, base.parts.setup, base.timer.clock)
    ratio = compare_steps(base, other, seconds)
    steps = measured.steps
    whole = steps.whole * other.size / base.size / ratio
    return replace(measured, steps=replace(steps, whole=whole, batch=other.size), plan=other.parts.plan)


def _planned(measured: Measured, settings: Settings) -> Measured:
    """Return the numbers with validations and checkpoints as often as other settings have them."""
    plan, minutes = make_plan(settings, measured.plan.steps_per_epoch), to_minutes(settings.checkpoint.every)
    return replace(measured, plan=plan, save_minutes=minutes)


def _add_up(outcomes: list[Outcome], base: Trial, measured: Measured) -> Outcome:
    """Return the outcome of values for the steps and values for what a run does between them, computed from both."""
    candidate = _together(outcomes)
    changed = next((one.measured for one in outcomes if one.changes_steps and one.measured), measured)
    for one in outcomes:
        if "batch.eval_size" in one.candidate.changes and one.measured:
            changed = replace(changed, validation=one.measured.validation)
    changed = _planned(changed, candidate.apply(base.settings))
    return Outcome(candidate, measured.seconds_per_sample / changed.seconds_per_sample, changed)


def compare_steps(base: Trial, other: Trial, seconds: float) -> float:
    """Return how many times as many samples a second one training takes as another, by steps in turns.

    Args:
        base: the one to compare with.
        other: the training.
        seconds: the time of all turns together, about.
    """
    whole_step(other, 0.0)  # not measured: it chooses kernels and allocates memory
    ratios = []
    for _ in range(_TURNS):
        before = whole_step(base, seconds / (2 * _TURNS)) / base.size
        ratios.append(before / (whole_step(other, seconds / (2 * _TURNS)) / other.size))
    return median(ratios)
