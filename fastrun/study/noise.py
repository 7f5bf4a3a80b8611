"""Whether the metric of a study is too noisy: what it varies by from run to run, beside what a longer run gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from fastrun.study import ladder
from fastrun.study.target import Target

_NEAR = 2  # rungs to both sides of the target that count: further away, a metric changes by other amounts
_MOST = 0.8  # times the gain of a rung, as three seeds estimate it, where it is about 1 (benchmarks/verdicts.py)
_LEAST = 3  # degrees of freedom that tell


def warn_of_noise(target: Target, walks: Sequence[Mapping[int, float]]) -> str:
    """Return a sentence on a metric that is too noisy, with what to do about it; an empty one of any other.

    Args:
        target: the target of the study.
        walks: the metric of each rung that the full run was tried with, a seed each.
    """
    better = target.higher_is_better
    found = noise(walks, [ladder.lowest_reaching(walk, target.value, better) for walk in walks])
    if found is None:
        return ""
    deviation, gain = found[0], found[1] if better else -found[1]
    if not deviation or deviation < _MOST * gain:
        return ""
    metric = target.metric
    smoother = "" if metric == "val/loss" else ", or a smoother metric, such as target.metric=val/loss"
    return (
        f"{metric} varies by {deviation:.2g} from run to run, and a run 1.4 times as long gains {max(0.0, gain):.2g}: "
        "real differences may stay undecided, and ratios may come out too near to 1; start again with more validation "
        f"data{smoother}"
    )


def noise(walks: Sequence[Mapping[int, float]], answers: Sequence[int | None]) -> tuple[float, float] | None:
    """Return the deviation of a run's metric from the line of its seed, and what the next rung gains on these lines.

    The lines of all seeds are parallel: that a seed is good for every length cancels within a block.

    Args:
        walks: the metric of each rung that was run, a seed each.
        answers: the rung that reached the target with each of these seeds; None where none did.

    Returns:
        Both in units of the metric; None where there are too few runs near the target.
    """
    middle = median(math.inf if answer is None else answer for answer in answers)
    points = [
        (rung, seed, metric)
        for seed, walk in enumerate(walks)
        for rung, metric in walk.items()
        if abs(rung - middle) <= _NEAR and math.isfinite(metric)
    ]
    seeds = {seed for _, seed, _ in points}
    freedom = len(points) - len(seeds) - 1
    if freedom < _LEAST:
        return None
    rungs, metrics = np.array([point[0] for point in points], float), np.array([point[2] for point in points])
    lines = np.column_stack([rungs, *(np.array([point[1] == seed for point in points], float) for seed in seeds)])
    found, *_ = np.linalg.lstsq(lines, metrics, rcond=None)
    return float(np.sqrt(((metrics - lines @ found) ** 2).sum() / freedom)), float(found[0])
