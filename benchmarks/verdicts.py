"""How often verdicts of a study are wrong, intervals hold the truth, and differences are found.

    python benchmarks/verdicts.py [--studies N]

No network is trained: studies are drawn whose truth is known (`planted.py`), with the noise that was measured between
seeds and between rounds, and are judged as real ones are.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from planted import BASELINE, STEPS, Truth, false_alarm, holds, ladder_study, looked_at, pilot_walks, study, verdicts

from fastrun.study.noise import warn_of_noise
from fastrun.study.target import Target
from fastrun.study.verdict.contrast import WITHOUT, Contrast
from fastrun.study.verdict.judge import FASTER, SAME_TIME, SLOWER, Rule, judge
from fastrun.system.processor import cpu_name

LOOKED_AT = Rule(sequential=True)
HEAVY = 3.0  # degrees of freedom
EQUAL = (1.0,) * 4

FALSE_ALARMS = {
    "1 contrast, 6 blocks": Truth((1.0,), blocks=6),
    "8 contrasts, 9 blocks": Truth((1.0,) * 8),
    "12 contrasts, 12 blocks": Truth((1.0,) * 12, blocks=12),
    "4 contrasts, two of which differ (1.2 and 2)": Truth((2.0, 1.2, 1.0, 1.0)),
    "4 contrasts, 20 % of runs fail, 12 blocks": Truth(EQUAL, blocks=12, failures=0.2),
    "4 contrasts, 50 % of runs fail, 12 blocks": Truth(EQUAL, blocks=12, failures=0.5),
    "4 contrasts, late runs miss, 10 blocks": Truth(EQUAL, blocks=10, cap=1.1, rule=Rule(cap_steps=1.1 * STEPS)),
    "4 contrasts, validations 10 % of a run apart": Truth(EQUAL, grid=0.1 * STEPS),
    "4 contrasts, machine three times slower in the end": Truth(EQUAL, drift=3.0),
    "4 contrasts, heavy tails": Truth(EQUAL, tails=HEAVY),
}
COVERAGE = {
    "ratio 1": Truth((1.0,)),
    "ratio 1.05": Truth((1.05,)),
    "ratio 1.2": Truth((1.2,)),
    "ratio 2": Truth((2.0,)),
    "1.2, 6 blocks": Truth((1.2,), blocks=6),
    "1.2, 20 blocks": Truth((1.2,), blocks=20),
    "1.2, heavy tails": Truth((1.2,), tails=HEAVY),
    "1.2, 10 % of the arm's runs fail, 10 blocks": Truth((1.2,), blocks=10, failures=0.1, failing=True),
    "1.2, 20 % of the arm's runs fail, 20 blocks": Truth((1.2,), blocks=20, failures=0.2, failing=True),
    "1.2, 5 % of all runs fail, 15 blocks": Truth((1.2,), blocks=15, failures=0.05),
    "1.2, late runs miss (a sixth), 15 blocks": Truth((1.2,), blocks=15, cap=1.4, rule=Rule(cap_steps=1.4 * STEPS)),
    "1.2, looked at after every block, 20 blocks": Truth((1.2,), blocks=20, rule=LOOKED_AT),
}
POWER = (1.05, 1.1, 1.2, 1.5, 2.0)


def false_alarms(studies: int) -> None:
    """Print how many studies claim anything that is not so."""
    print("\n| studies with a false claim | share |\n| --- | --- |")
    for seed, (name, truth) in enumerate(FALSE_ALARMS.items()):
        wrong = sum(false_alarm(found, truth) for found in verdicts(truth, studies, seed))
        print(f"| {name} | {percent(wrong, studies)} |", flush=True)
    peeking = Truth((1.0,) * 3, blocks=20)
    few = max(1, studies // 10)
    peeking = Truth((1.0,) * 3, blocks=20)
    wrong = count(few, lambda random: ever_wrong(peeking, random))
    print(f"| 3 contrasts, looked at after each of 20 blocks, but with the usual test | {percent(wrong, few)} |")
    peeking = replace(peeking, rule=LOOKED_AT)
    wrong = count(few, lambda random: false_alarm(looked_at(peeking, random)[0], peeking))
    print(f"| the same with the sequential test | {percent(wrong, few)} |", flush=True)


def ever_wrong(truth: Truth, random: np.random.Generator) -> bool:
    """Return whether the usual test makes a false claim after any number of blocks."""
    blocks = study(truth, random)
    return any(
        false_alarm(judge(blocks[:number], truth.contrasts, truth.rule), truth) for number in range(6, len(blocks) + 1)
    )


def ladders(studies: int) -> None:
    """Print what the guess that a ladder begins with does to equal arms whose metrics are noisy."""
    contrast = Contrast("nothing", WITHOUT, "arm", BASELINE)
    print("\n| equal arms that climb the ladder, 9 blocks: studies with a false claim, runs an arm and block | | |")
    print("| --- | --- | --- |\n| noise of a metric, in rungs | always the same guess | the last block's answer |")
    for noise in (0.3, 1.0, 3.0):
        cells = []
        for carried in (False, True):
            random = np.random.default_rng(6)
            drawn = [ladder_study(noise, carried, random) for _ in range(studies)]
            words = [judge(blocks, [contrast], Rule())[0].verdict for blocks, _ in drawn]
            wrong = sum(word in (FASTER, SLOWER) for word in words)
            cells.append(f"{percent(wrong, studies)}, {np.mean([runs for _, runs in drawn]):.1f}")
        print(f"| {noise:g} | " + " | ".join(cells) + " |", flush=True)


def noisy_ladders(studies: int) -> None:
    """Print how many studies find a difference whose metric is noisy, and the median of their ratios."""
    contrast = Contrast("something", WITHOUT, "arm", BASELINE)
    target = Target("val/acc", 0.0, "given", "given", higher_is_better=True)
    print("\n| 9 blocks that climb the ladder: studies that find it, median ratio | 1.3 | 1.5 | 2.0 | called noisy |")
    print("| --- | --- | --- | --- | --- |")
    for noise in (0.25, 0.5, 1.0, 2.0, 4.0):
        cells = []
        for ratio in (1.3, 1.5, 2.0):
            random = np.random.default_rng(7)
            drawn = [ladder_study(noise, False, random, ratio)[0] for _ in range(studies)]
            found = [judge(blocks, [contrast], Rule(cap_steps=STEPS * 2**1.5))[0] for blocks in drawn]
            rated = [one.ratio for one in found if one.ratio is not None]
            cells.append(f"{percent(sum(one.verdict == FASTER for one in found), studies)}, {np.median(rated):.2f}")
        random = np.random.default_rng(8)
        warned = sum(bool(warn_of_noise(target, pilot_walks(noise, random))) for _ in range(studies))
        cells.append(percent(warned, studies))
        print(f"| noise of {noise:g} rungs | " + " | ".join(cells) + " |", flush=True)


def coverage(studies: int) -> None:
    """Print how many intervals hold the planted ratio, of those studies that give a ratio."""
    print("\n| intervals that hold the planted ratio | share | studies that give a ratio |\n| --- | --- | --- |")
    for seed, (name, truth) in enumerate(COVERAGE.items(), start=100):
        rated = [one for (one,) in verdicts(truth, studies, seed) if one.ratio is not None]
        held = sum(holds(one, truth.ratios[0]) for one in rated)
        print(f"| {name} | {percent(held, len(rated))} | {percent(len(rated), studies)} |", flush=True)


def power(studies: int) -> None:
    """Print how many studies find a planted ratio, by their blocks and contrasts."""
    print("\n| studies that find it | " + " | ".join(f"{ratio}" for ratio in POWER) + " |")
    print("| --- |" + " --- |" * len(POWER))
    for contrasts, blocks in ((1, 6), (1, 9), (8, 9), (8, 12), (8, 20)):
        shares = [found(Truth((ratio,) * contrasts, blocks=blocks), studies // contrasts) for ratio in POWER]
        print(
            f"| {contrasts} contrast{'s' * (contrasts > 1)}, {blocks} blocks | " + " | ".join(shares) + " |", flush=True
        )
    few = max(1, studies // 10)
    shares = [found_early(Truth((ratio, 1.0), blocks=20, rule=LOOKED_AT), few) for ratio in POWER]
    print("| 2 contrasts, looked at after each of 20 blocks: found, and after how many | " + " | ".join(shares) + " |")
    truth = Truth((1.0,), steps_noise=0.0, seconds_noise=0.01)
    same = sum(one.verdict == SAME_TIME for (one,) in verdicts(truth, studies, seed=3))
    print(
        f"\nthe same steps, seconds with a noise of 1 %, 9 blocks: no material difference in {percent(same, studies)}"
    )


def found(truth: Truth, studies: int) -> str:
    """Return the share of contrasts whose heuristic is found to be faster."""
    words = [one.verdict for every in verdicts(truth, max(1, studies), seed=3) for one in every]
    return percent(words.count(FASTER), len(words))


def found_early(truth: Truth, studies: int) -> str:
    """Return how often a study that is looked at finds its first contrast, and after how many blocks in the mean."""
    random = np.random.default_rng(3)
    first = [looked_at(truth, random)[0][0] for _ in range(studies)]
    blocks = [one.blocks for one in first if one.verdict == FASTER]
    return percent(len(blocks), studies) + (f", {np.mean(blocks):.0f}" if blocks else "")


def speed() -> None:
    """Print what judging a large study takes."""
    truth = Truth((1.1,) * 12, blocks=20)
    blocks = study(truth, np.random.default_rng(4))
    start = time.perf_counter()
    judge(blocks, truth.contrasts, truth.rule)
    print(f"\njudging 12 contrasts of 20 blocks: {time.perf_counter() - start:.3f} s")


def count(studies: int, happens: Callable[[np.random.Generator], bool]) -> int:
    """Return in how many of so many studies something happens."""
    random = np.random.default_rng(5)
    return sum(happens(random) for _ in range(studies))


def percent(part: int, whole: int) -> str:
    """Return a share with its standard error, in percent."""
    share = part / whole
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / whole):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000, help="how many are drawn for each row; looked at, a tenth")
    studies = parser.parse_args().studies
    print(f"{cpu_name()}, {studies} studies a row")
    false_alarms(studies)
    ladders(studies)
    noisy_ladders(studies)
    coverage(studies)
    power(studies)
    speed()


if __name__ == "__main__":
    main()
