"""How quiet the machine was while the steps of a study were timed, as timing.json has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from fastrun.report.page.number_format import percent
from fastrun.storage.run_dir import RunDir

TIMING = "timing.json"

_QUIET_SHARE = 0.9  # of the CPU time that a run gets beside no other work
_MOST_DIFFERENCE = 0.05  # of the seconds of the recipe from its own, on a machine that is to be trusted


@dataclass(frozen=True)
class Timing:
    """What the timed runs of a study got of the machine.

    Attributes:
        cpu_share: the median of the shares of CPU time that they got of what they asked for; None if it is not known.
        worst: the median of the round in which they got least; None if it is not known.
    """

    cpu_share: float | None = None
    worst: float | None = None

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float]]) -> Timing:
        """Return what the shares of every round come to."""
        known = [list(shares) for shares in rounds if shares]
        if not known:
            return cls()
        return cls(median(share for shares in known for share in shares), min(map(median, known)))


def read_timing(folder: Path) -> Timing:
    """Return what timing.json of a study says; nothing where it is missing or damaged."""
    content = RunDir(folder).read(TIMING)
    return Timing(_share(content.get("cpu_share")), _share(content.get("worst_round")))


def describe_quiet(timing: Timing, seconds_ratio: float | None) -> tuple[bool | None, str]:
    """Return whether the machine was quiet while steps were timed, as far as it was measured, and that in words.

    Args:
        timing: what the timed runs got.
        seconds_ratio: the seconds a step of the recipe through its own; None where it was not compared with itself.

    Returns:
        True or False, None where it is not known; and one or two sentences.
    """
    share, sentences = timing.cpu_share, []
    is_busy = share is not None and share < _QUIET_SHARE
    if share is not None:
        worst = f" ({percent(timing.worst)} in the worst round)" if timing.worst is not None else ""
        got = f"they got {percent(share)} of the CPU time that they asked for{worst}"
        busy = f"The machine was busy while steps were timed: {got}."
        sentences.append(busy if is_busy else f"While steps were timed, {got}.")
    differs = max(seconds_ratio, 1 / seconds_ratio) - 1 if seconds_ratio else 0.0
    if differs > _MOST_DIFFERENCE:
        is_busy = True
        sentences.append(
            f"The seconds a step of the recipe differ from its own by {percent(round(differs, 2))}: so may others."
        )
    if not sentences:
        return None, "Whether other work ran beside them was not measured."
    return not is_busy, " ".join(sentences)


def _share(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None
