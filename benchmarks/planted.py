"""Studies whose truth is known: numbers drawn as if they had been measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastrun.study.ladder import LOWEST, lowest_reaching, next_rung, steps_to_target
from fastrun.study.verdict.contrast import WITHOUT, Contrast
from fastrun.study.verdict.judge import FASTER, SLOWER, Rule, Verdict, judge
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.screening import LONGER, Effect, largest, main_effects, screening_design
from fastrun.study.verdict.sequential import OPEN, progress

Block = dict[str, Observation]
Vector = NDArray[np.float64]

STEPS = 1000.0  # of the full recipe, without noise
BASELINE = "full"
HIGHEST = 3  # the rung of the cap: 2.8 times the usual steps


@dataclass(frozen=True)
class Truth:
    """What is planted in a study: the full recipe beside arms that each lack one heuristic.

    Args:
        ratios: the ratio of seconds to the target of each arm to the full recipe; 1 where the heuristic does nothing.
        blocks: how many seeds.
        steps_noise: the spread of the log of a run's steps, as measured between seeds; each run's own.
        seconds_noise: the spread of the log of the seconds a step, as measured between rounds; each run's own.
        seed_noise: the spread of what all runs of a block share.
        in_steps: the share of the log ratio that is in the steps; the rest is in the seconds a step.
        failures: the share of runs that never reach the target, whatever their steps.
        failing: whether arms alone fail, and never the full recipe.
        cap: a run that would take more than so many times the usual steps misses.
        grid: steps are counted in multiples of so many, as validations are apart: many runs tie.
        drift: how much slower the machine is in the last block than in the first.
        tails: degrees of freedom of Student's t for the noise of steps; None: normal.
    """

    ratios: tuple[float, ...] = (1.0,)
    blocks: int = 9
    steps_noise: float = 0.08
    seconds_noise: float = 0.03
    seed_noise: float = 0.1
    in_steps: float = 1.0
    failures: float = 0.0
    failing: bool = False
    cap: float = math.inf
    grid: float = 0.0
    drift: float = 1.0
    tails: float | None = None
    rule: Rule = field(default_factory=Rule)

    @property
    def contrasts(self) -> list[Contrast]:
        """One for each arm."""
        return [Contrast(name, WITHOUT, f"{BASELINE} - {name}", BASELINE) for name in self.factors]

    @property
    def factors(self) -> list[str]:
        """The names of the heuristics, in the order of their ratios."""
        return [f"factor{number}" for number in range(len(self.ratios))]


def study(truth: Truth, random: np.random.Generator) -> list[Block]:
    """Return the blocks of a study."""
    names = [BASELINE, *(contrast.arm for contrast in truth.contrasts)]
    logs = np.log([1.0, *truth.ratios])
    shape = truth.blocks, len(names)
    noise = random.standard_normal(shape) if truth.tails is None else random.standard_t(truth.tails, shape)
    shared = truth.seed_noise * random.standard_normal((truth.blocks, 1))
    steps = STEPS * np.exp(truth.in_steps * logs + truth.steps_noise * noise + shared)
    if truth.grid:
        steps = np.ceil(steps / truth.grid) * truth.grid
    missed = (random.random(shape) < truth.failures) & ~(truth.failing & (np.arange(len(names)) == 0))
    missed |= steps > truth.cap * STEPS
    machine = np.geomspace(1, truth.drift, truth.blocks)[:, None] * 0.01
    seconds = machine * np.exp((1 - truth.in_steps) * logs + truth.seconds_noise * random.standard_normal(shape))
    return [
        {
            name: Observation(None if missed[block, arm] else float(steps[block, arm]), float(seconds[block, arm]))
            for arm, name in enumerate(names)
        }
        for block in range(truth.blocks)
    ]


@dataclass(frozen=True)
class Many:
    """What is planted in a study of more factors than it confirms.

    Args:
        steps: the ratio of steps to the target without / with each factor.
        seconds: the ratio of seconds a step of each factor; those that are not given have 1.
        interaction: how much more the first two factors are worth together, as a ratio.
        steps_noise: the spread of the log of what a run gets out of its steps; each run's own.
        seconds_noise: the spread of the log of the seconds a step, of whole runs, several at a time.
        seed_noise: the spread of what two opposite runs share.
        failures: the share of runs that diverge.
    """

    steps: tuple[float, ...]
    seconds: tuple[float, ...] = ()
    interaction: float = 1.0
    steps_noise: float = 0.08
    seconds_noise: float = 0.05
    seed_noise: float = 0.1
    failures: float = 0.0


def screen(truth: Many, random: np.random.Generator) -> list[Effect]:
    """Screen the factors of a study, and return their effects."""
    signs = screening_design(len(truth.steps))
    count = len(signs)
    worth = np.log([*truth.steps, LONGER])
    progress = signs @ worth / 2 + math.log(truth.interaction) / 4 * signs[:, 0] * signs[:, 1]
    progress = progress + truth.steps_noise * random.standard_normal(count)
    progress += np.tile(truth.seed_noise * random.standard_normal(count // 2), 2)
    metrics = np.where(random.random(count) < truth.failures, -np.inf, 1 - np.exp(-np.exp(progress)))
    costs = np.zeros(len(truth.steps))
    costs[: len(truth.seconds)] = np.log(truth.seconds)
    seconds = np.exp(-signs[:, :-1] @ costs / 2 + truth.seconds_noise * random.standard_normal(count)) * 0.01
    known = [float(one) if math.isfinite(metric) else None for one, metric in zip(seconds, metrics, strict=True)]
    return main_effects(signs, metrics.tolist(), known)


def screened_study(truth: Many, keep: int, random: np.random.Generator) -> tuple[list[Verdict], Truth]:
    """Screen the factors of a study, and judge those that are kept on other seeds.

    Returns:
        The verdicts, and what was planted in what they are about.
    """
    kept = largest(screen(truth, random), keep)
    confirmed = Truth(tuple(truth.steps[index] for index in kept), steps_noise=truth.steps_noise)
    return judge(study(confirmed, random), confirmed.contrasts, confirmed.rule), confirmed


def verdicts(truth: Truth, studies: int, seed: int) -> Iterator[list[Verdict]]:
    """Draw studies and yield the verdicts of each."""
    random = np.random.default_rng(seed)
    for _ in range(studies):
        yield judge(study(truth, random), truth.contrasts, truth.rule)


def looked_at(truth: Truth, random: np.random.Generator) -> tuple[list[Verdict], int]:
    """Run a study that is looked at after every block, and stops when nothing is open.

    Returns:
        Its verdicts, and how many blocks it took.
    """
    planned = study(truth, random)
    blocks: list[Block] = []
    running = set(truth.contrasts)
    for block in planned:
        arms = {contrast.arm for contrast in running} | {BASELINE}
        blocks.append({name: one for name, one in block.items() if name in arms})
        words = progress(blocks, truth.contrasts, truth.rule, planned=truth.blocks)
        running = {contrast for contrast in running if words[contrast] == OPEN}
        if not running:
            break
    return judge(blocks, truth.contrasts, truth.rule), len(blocks)


def ladder_study(
    noise: float, carried: bool, random: np.random.Generator, ratio: float = 1.0
) -> tuple[list[Block], float]:
    """Return nine blocks of two arms that climb the ladder of lengths, and how many runs an arm took in a block.

    Args:
        noise: the spread of a run's metric, in units of what the next rung gains.
        carried: whether an arm begins at its answer in the last block, or always at the same rung.
        random: where chance comes from.
        ratio: of the steps of the arm to those of the baseline.
    """
    behind = {"arm": 2 * math.log2(ratio), BASELINE: 0.0}  # in rungs
    guesses, blocks, runs = {"arm": 0, BASELINE: 0}, [], 0
    for needed in random.normal(0.5, 0.2, 9):
        block = {}
        for name, guess in guesses.items():
            known: dict[int, float] = {}
            while (rung := next_rung(known, 0.0, True, guess, LOWEST, HIGHEST)) is not None:
                known[rung] = rung - needed - behind[name] + noise * random.normal()
            answer = lowest_reaching(known, 0.0, True)
            guesses[name] = guess if not carried else HIGHEST if answer is None else answer
            block[name] = Observation(steps_to_target(known, 0.0, True, STEPS), 0.01)
            runs += len(known)
        blocks.append(block)
    return blocks, runs / 18


def pilot_walks(noise: float, random: np.random.Generator, sign: float = 1.0) -> list[dict[int, float]]:
    """Return the metric of each rung that the pilot of a study runs, with three seeds; the target is 0.

    Args:
        noise: the spread of a run's metric, in units of what the next rung gains.
        random: where chance comes from.
        sign: -1 for a metric of which lower values are better.
    """
    walks = []
    for needed in random.normal(random.uniform(-4, 0), 0.2, 3):
        known: dict[int, float] = {}
        while (rung := next_rung(known, 0.0, sign > 0, 0, -12, 4)) is not None:
            known[rung] = sign * (rung - needed + noise * random.normal())
        walks.append(known)
    return walks


def false_alarm(found: list[Verdict], truth: Truth) -> bool:
    """Return whether a study claims a difference where there is none, or the wrong one, of any contrast."""
    return any(
        (verdict.verdict == FASTER and ratio <= 1) or (verdict.verdict == SLOWER and ratio >= 1)
        for verdict, ratio in zip(found, truth.ratios, strict=True)
    )


def holds(verdict: Verdict, ratio: float) -> bool:
    """Return whether the interval of a verdict holds a ratio."""
    return (verdict.low or 0.0) <= ratio <= (verdict.high or math.inf)
