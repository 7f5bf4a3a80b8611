"""Making the plan of a study from its pilot runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from fastrun.config.duration import to_steps
from fastrun.study import ladder
from fastrun.study.arms import AGAIN, FULL, Arm, Design, same_arms
from fastrun.study.noise import warn_of_noise
from fastrun.study.pilot import Pilot
from fastrun.study.plan import Plan, this_machine
from fastrun.study.results import FINISHED
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.judge import Rule, least_blocks

PACE_SECONDS = 1.0  # of a run that is timed
_PACE_LEAST, _PACE_MOST = 24, 2000  # its steps
_CAP = 3.0  # times the full run's steps, beyond which a run has missed the target
_AGAIN_SEED = 2_000_000  # beyond the seeds of the other arms
_SEEDS = (
    1000  # of each number of blocks: a study with more of them has others, so that it may follow a look at this one
)


def make_plan(pilot: Pilot, screening: dict[str, Any] | None = None) -> Plan:
    """Return the plan of a study.

    Args:
        pilot: its pilot, which wants no run any more.
        screening: what the screening before that measured; None where there was none.
    """
    definition, config = pilot.definition, pilot.definition.config
    dropped, settings = pilot.dropped(), definition.full.settings
    design = definition.design.without_arms(list(dropped))
    rates = {name: rate for name in pilot.trained() if (rate := pilot.tuned(name)) is not None}
    arms = {name: pilot.pinned_arm(name).with_rate(rates.get(pilot.original(name))) for name in design.arms}
    steps, base, same = pilot.median_steps(rates.get(FULL)), pilot.base_steps, same_arms(arms)
    guess = ladder.nearest_rung(steps, base)
    lowest = lowest_rung(guess, base, arms.values())
    highest = max(lowest, ladder.nearest_rung(_CAP * steps, base))
    cap = ladder.length(highest, base)
    blocks = blocks_of(config, design.claims)
    seeds = [settings.seed + _SEEDS * blocks + number for number in range(blocks)]
    noise = warn_of_noise(pilot.target, pilot.walks(rates.get(FULL)))
    rule = Rule(equivalence=config.equivalence, sequential=config.until is not None, cap_steps=float(cap))
    return Plan(
        arms={name: arm.overrides for name, arm in arms.items()},
        pins={name: pilot.pins(name) for name in arms},
        rates=rates,
        contrasts=[asdict(contrast) for contrast in design.contrasts],
        same=same,
        same_steps=_same_steps(pilot, design, same),
        dropped=dropped,
        target=pilot.target.describe() | ({"noise": noise} if noise else {}),
        base_steps=base,
        rungs=[lowest, highest],
        cap_steps=cap,
        guesses={name: highest if _is_hopeless(pilot, name, highest, rates) else guess for name in arms},
        seeds=seeds,
        again_seeds=[seed + _AGAIN_SEED for seed in seeds],
        pilot_seeds=pilot.seeds,
        pace_steps=_pace_steps(pilot, arms.values(), ladder.length(lowest, base)),
        freeze=_freeze(pilot, steps),
        rule=asdict(rule),
        tuned=bool(config.tune),
        recipe=settings.choices.get("recipe"),
        overrides=definition.overrides,
        machine=this_machine(),
        created=time.time(),
        screening=screening or {},
        pairs=config.pairs,
    )


def blocks_of(config: StudyConfig, comparisons: int) -> int:
    """Return the blocks of a study: those that were asked for, else the least that can decide.

    A study that is looked at after every block has half as many more, and uses them only where it needs them.
    """
    sequential = config.until is not None
    least = least_blocks(max(1, comparisons), sequential=sequential)
    return config.blocks or (least + least // 2 if sequential else least)


def most_claims(design: Design, config: StudyConfig) -> int:
    """Return how many comparisons a study has at most, before it is known which factors a screening leaves."""
    if config.screen is False:
        return design.claims
    return min(design.claims, most_kept(config) * (2 if config.plain else 1))


def most_kept(config: StudyConfig) -> int:
    """Return how many factors a screening leaves: study.keep, or all those of the pairs that are named."""
    return max(config.keep, len({name for pair in config.named_pairs for name in pair}))


def lowest_rung(guess: int, base: int, arms: Iterable[Arm]) -> int:
    """Return the lowest rung that all arms can be trained at: not below a few steps, nor too short for a schedule."""
    rungs = range(guess + ladder.LOWEST, guess)
    arms = list(arms)
    return next((rung for rung in rungs if all(arm.fits(ladder.length(rung, base)) for arm in arms)), guess)


def _is_hopeless(pilot: Pilot, name: str, highest: int, rates: dict[str, float]) -> bool:
    """Say whether an arm missed the target in a run of the cap's length or more, so that it had better begin there.

    All others begin at the same rung: equal arms have to be treated alike.
    """
    outcome = pilot.first(pilot.original(name))
    if outcome is None or highest > 0 or pilot.original(name) in rates:
        return False
    better = pilot.target.higher_is_better
    return not ladder.reaches(outcome.value(better), pilot.target.value, better)


def _same_steps(pilot: Pilot, design: Design, same: dict[str, str]) -> dict[str, str]:
    """Return the arms whose losses were those of an earlier one at every step, with that one's name."""
    exact = {factor.name for factor in pilot.definition.factors if factor.may_be_exact}
    order, found = list(design.arms), dict[str, str]()
    for contrast in design.contrasts:
        pair = {same.get(name, name) for name in (contrast.arm, contrast.baseline)} - {AGAIN}
        if contrast.factor not in exact or len(pair) == 1:
            continue
        earlier, later = sorted(pair, key=order.index)
        outcomes = [pilot.first(earlier), pilot.first(later)]
        losses = [one.losses() for one in outcomes if one is not None and one.state == FINISHED]
        if len(losses) == 2 and losses[0] == losses[1]:
            found.setdefault(later, earlier)
    return found


def _pace_steps(pilot: Pilot, arms: Iterable[Arm], shortest: int) -> int:
    """Return the steps of a run that is timed: about a second of the full one, and no fewer than a schedule needs.

    Args:
        pilot: the pilot runs.
        arms: the arms.
        shortest: steps that are enough for every schedule.
    """
    outcome, arms = pilot.first(FULL), list(arms)
    assert outcome is not None
    steps = max(_PACE_LEAST, min(_PACE_MOST, round(PACE_SECONDS / max(1e-9, outcome.seconds_per_step))))
    while steps < shortest and not all(arm.fits(steps) for arm in arms):
        steps *= 2
    return steps


def _freeze(pilot: Pilot, steps: float) -> str:
    """Return how long a frozen body stays so in a run that is timed: as large a part as on the way to the target."""
    transfer, outcome = pilot.definition.full.settings.transfer, pilot.first(FULL)
    assert outcome is not None
    if transfer.kind != "finetune":
        return ""
    per_epoch, total = round(outcome.steps_per_epoch), round(steps)
    frozen = to_steps(transfer.freeze, steps_per_epoch=per_epoch, total_steps=total, key="transfer.freeze")
    return f"{min(100.0, 100 * frozen / steps):.4g}%"
