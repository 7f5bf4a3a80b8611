"""Pairs of factors, explored after the verdicts: whether two of them do part of each other's work, or need each other.

A pair is chosen by the verdicts, and tried on the seeds that these are by. So what comes out is for the next study to
confirm: it is no part of Holm's procedure, and changes no verdict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastrun import compose
from fastrun.errors import ConfigError, FastrunError, nearest
from fastrun.storage.atomic import write_atomic
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import FULL, Arm, Design, make_arm, same_arms, shared_of, without_all
from fastrun.study.definition import Definition, read_arms, written_arms
from fastrun.study.factors import Factor
from fastrun.study.folder import PAIRS
from fastrun.study.pins import pinned, pins_beside
from fastrun.study.scored import Scored
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.contrast import ADDED, WITHOUT, Contrast
from fastrun.study.verdict.interaction import Interaction, interaction
from fastrun.study.verdict.judge import Verdict, judge

PAIR = "pair"  # the kind of its line in verdicts.json


@dataclass(frozen=True)
class Explored:
    """The runs of some pairs.

    Attributes:
        pairs: the names of the two factors of each, by the arm that lacks both.
        stage: the runs; None where there is no pair to explore.
        uncomposed: the arms that do not compose, with the errors.
    """

    pairs: dict[str, list[str]]
    stage: Scored | None
    uncomposed: dict[str, str]

    @property
    def failed(self) -> dict[str, str]:
        """Return the arms that cannot be trained, with the errors."""
        return self.uncomposed | ({} if self.stage is None else self.stage.failed)

    def interactions(self) -> dict[str, Interaction]:
        """Return what each pair shows, by the arm that lacks both."""
        if self.stage is None:
            return {}
        blocks, small = self.stage.observations(), self.stage.plan.decision_rule.small
        return {
            name: interaction(blocks, [FULL, *(f"{FULL} - {factor}" for factor in pair), name], small)
            for name, pair in self.pairs.items()
        }

    def lines(self) -> list[dict[str, Any]]:
        """Return what verdicts.json says of them."""
        return [
            {
                "factor": " and ".join(self.pairs[name]),
                "kind": PAIR,
                "arm": name,
                "baseline": FULL,
                "verdict": one.word,
                "interaction": one.ratio,
                "interaction_low": one.low,
                "interaction_high": one.high,
                "blocks": one.blocks,
            }
            for name, one in self.interactions().items()
        ]


def check_pairs(config: StudyConfig, factors: Sequence[Factor]) -> None:
    """Check which pairs of factors are to be explored, before anything runs.

    Raises:
        ConfigError: a factor is not known, or there is nothing to choose pairs by.
    """
    if config.pairs is None:
        return
    for key in ("tune", "until", "budget"):
        if value := getattr(config, key):
            message = f"study.pairs are explored after all blocks, with the rates of the recipe: no study.{key}={value}"
            raise ConfigError(message, f"leave out one of them; a study of its own may have study.{key}")
    if len(factors) < 2:
        raise ConfigError("study.pairs: there is one factor", "name another one in study.factors")
    if isinstance(config.pairs, int) and not config.plain:
        message = f"study.pairs={config.pairs} goes by the gaps to the plain runs, which study.plain=false leaves out"
        raise ConfigError(message, f"name them: study.pairs=[[{factors[0].name},{factors[1].name}]]")
    for pair in config.named_pairs:
        if len({_named(factors, name) for name in pair}) != 2 or len(pair) != 2:
            message = f"study.pairs: [{','.join(pair)}] is no pair of two factors"
            raise ConfigError(message, f"such as study.pairs=[[{factors[0].name},{factors[1].name}]]")


def _named(factors: Sequence[Factor], name: str) -> Factor:
    """Return a factor of the study.

    Raises:
        ConfigError: it is none.
    """
    found = next((factor for factor in factors if factor.is_called([name])), None)
    if found is None:
        names = [factor.name for factor in factors]
        raise ConfigError(
            f"study.pairs: {name} is no factor of this study", nearest(name, names) or f"it has {', '.join(names)}"
        )
    return found


def widest(verdicts: Sequence[Verdict], count: int, least: float) -> list[list[str]]:
    """Return the pairs of factors whose ratios without them and beside plain are the farthest apart.

    Args:
        verdicts: the verdicts of the study.
        count: how many pairs, 1 or 2: the two factors with the largest gaps, then the first and the third.
        least: the smallest gap between the logs of the two ratios that counts.
    """
    ratios: dict[str, dict[str, float]] = {}
    for one in verdicts:
        if one.ratio is not None:
            ratios.setdefault(one.factor, {})[one.kind] = math.log(one.ratio)
    gaps = {factor: abs(of[WITHOUT] - of[ADDED]) for factor, of in ratios.items() if {WITHOUT, ADDED} <= of.keys()}
    wide = [factor for factor, gap in gaps.items() if gap > least]
    first, *others = sorted(wide, key=lambda factor: -gaps[factor]) or [""]
    return [[first, other] for other in others[:count]]


def explore(scored: Scored) -> Explored:
    """Return the runs of the pairs of a study whose other runs are over.

    What is chosen is written down before the first of them, and is the same whenever the study goes on.
    """
    definition = scored.definition
    content = RunDir(definition.folder).read(PAIRS)
    if content:
        arms, failed = read_arms(content["arms"]), dict(content["failed"])
        pairs = {name: list(pair) for name, pair in content["pairs"].items()}
    else:
        pairs = _choose(scored)
        arms, failed = _compose(definition, pairs)
        pairs = {name: pair for name, pair in pairs.items() if name in arms}
        content = {"pairs": pairs, "failed": failed, "arms": written_arms(arms)}
        write_atomic(definition.folder / PAIRS, json.dumps(content, indent=2, default=str))
    return Explored(pairs, _stage(scored, pairs, arms) if arms else None, failed)


def _choose(scored: Scored) -> dict[str, list[str]]:
    """Return the pairs of a study, by the arm that lacks both of its factors."""
    config, factors = scored.definition.config, scored.definition.factors
    if isinstance(config.pairs, int):
        rule = scored.plan.decision_rule
        found = widest(judge(scored.observations(), scored.contrasts, rule), config.pairs, rule.small)
    else:
        found = [[_named(factors, name).name for name in pair] for pair in config.named_pairs]
    order, trained = [factor.name for factor in factors], {contrast.arm for contrast in scored.contrasts}
    found = [sorted(pair, key=order.index) for pair in found]
    return {
        " - ".join([FULL, *pair]): pair for pair in found if all(f"{FULL} - {factor}" in trained for factor in pair)
    }


def _compose(definition: Definition, pairs: Mapping[str, list[str]]) -> tuple[dict[str, Arm], dict[str, str]]:
    """Return the arms of some pairs, and those that do not compose, with the errors."""
    arms, failed, full = dict[str, Arm](), dict[str, str](), definition.full
    for name, pair in pairs.items():
        overrides = without_all(full.overrides, [factor for factor in definition.factors if factor.name in pair])
        try:
            arms[name] = make_arm(compose.compose, name, overrides, shared_of(full.settings))
        except FastrunError as error:
            failed[name] = error.message
    return arms, failed


def _stage(scored: Scored, pairs: Mapping[str, list[str]], raw: dict[str, Arm]) -> Scored:
    """Return the runs of some pairs, each beside the full run and the two arms that lack one of its factors."""
    definition, plan = scored.definition, scored.plan
    pins = {name: pins_beside(arm, definition.full, plan.pins[FULL]) for name, arm in raw.items()}
    arms = {name: pinned(arm, pins[name]) for name, arm in raw.items()}
    single = {factor: f"{FULL} - {factor}" for pair in pairs.values() for factor in pair}
    contrasts = [Contrast(factor, WITHOUT, name, FULL) for factor, name in single.items()]
    contrasts += [Contrast(" and ".join(pair), WITHOUT, name, FULL) for name, pair in pairs.items()]
    same = same_arms(scored.arms | arms)
    plan = replace(
        plan,
        arms=plan.arms | {name: arm.overrides for name, arm in arms.items()},
        pins=plan.pins | pins,
        contrasts=[asdict(contrast) for contrast in contrasts],
        same=plan.same | {name: same[name] for name in arms if name in same},
        guesses=plan.guesses | dict.fromkeys(arms, plan.guesses[FULL]),
    )
    design = Design(definition.design.arms | raw, contrasts)
    definition = replace(definition, design=design, config=replace(definition.config, budget=None))
    return Scored(definition, plan, scored.results, lambda: 0.0, " of pairs")
