"""How far a study or a race has come, from the files of its folder and the names of its runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrun.redaction import redact, redact_message
from fastrun.report.location import is_race
from fastrun.storage.run_dir import RunDir
from fastrun.system.process import Process

_GIVEN_IS_BEST = "nothing beats the given run"
_LABELS = re.compile(r"(?:^|[\s,])(seed|pace)=(?:round[ _])?(\d+)")


@dataclass(frozen=True)
class Label:
    """What the name of a study's run says.

    Attributes:
        seed: its seed.
        is_timed: whether its seconds alone count.
    """

    seed: int | None
    is_timed: bool


def label_of(text: str) -> Label:
    """Return what the name of a run directory, or the overrides of its job, says."""
    found = dict(_LABELS.findall(text))
    return Label(int(found["seed"]) if "seed" in found else None, "pace" in found)


@dataclass(frozen=True)
class StudyState:
    """How far a study or a race has come.

    Attributes:
        folder: its folder.
        kind: ``study`` or ``race``.
        status: ``running``; ``finished``; ``killed``, where its process is gone; ``failed``, where it was refused; or
            ``interrupted``.
        reason: why it was refused, and what to do about it, or why a race that is finished has no verdict.
        about: what it is about: the heuristics that are taken away, or the space of a race.
        seeds: the seeds of its blocks; empty before the plan.
        again_seeds: the seeds of the second full run in each block.
    """

    folder: Path
    kind: str
    status: str
    reason: str | None
    about: list[str]
    seeds: list[int]
    again_seeds: list[int]

    @property
    def blocks(self) -> int:
        """Return the number of planned blocks; 0 before the plan."""
        return len(self.seeds)

    def scored(self, label: Label) -> int | None:
        """Return the block that a run is scored in, from 0; None for one of the pilot or of the search."""
        for seeds in (self.seeds, self.again_seeds):
            if label.seed in seeds:
                return seeds.index(label.seed)
        return None

    def begun(self, labels: Iterable[Label]) -> int:
        """Return how many blocks have begun, from the runs that were started."""
        return max((1 + block for label in labels if (block := self.scored(label)) is not None), default=0)

    def progress(self, labels: Iterable[Label]) -> str:
        """Return in words where the study is, or where it ended, from the runs that were started."""
        known = list(labels)
        block, timed = self.begun(known), self.begun(label for label in known if label.is_timed)
        if not block:
            return "search" if self.kind == "race" else "pilot"
        where = f"block {block} of {self.blocks}"
        return f"{where}, timing round {timed}" if timed else where


def read_state(folder: Path) -> StudyState:
    """Read how far a study or a race has come. Files that are missing or broken leave values out."""
    files = RunDir(folder)
    kind = "race" if is_race(folder) else "study"
    typed = redact(files.read(f"{kind}.json"), redact_message)
    plan = files.read("plan.json")
    status, reason = _status(folder, kind, files)
    return StudyState(
        folder, kind, status, reason, _about(kind, typed), _whole(plan.get("seeds")), _whole(plan.get("again_seeds"))
    )


def _status(folder: Path, kind: str, files: RunDir) -> tuple[str, str | None]:
    """Return the status of a study, and why it was refused."""
    holder = Process.of(files.read("lock"))
    if holder is not None and not holder.is_gone():
        return "running", None
    if (folder / "verdicts.json").is_file():
        return "finished", None
    refused = files.read("refused.json")
    if isinstance(refused.get("error"), str):
        hint = refused.get("hint")
        return "failed", redact_message(f"{refused['error']}; {hint}" if isinstance(hint, str) else refused["error"])
    if holder is not None:
        return "killed", None
    if kind == "race" and (outcome := files.read("outcome.json")):
        failed = outcome.get("failed")
        return "finished", redact_message(failed) if failed and isinstance(failed, str) else _GIVEN_IS_BEST
    return "interrupted", None


def _about(kind: str, typed: dict[str, Any]) -> list[str]:
    """Return what a study takes away, or the space of a race."""
    if kind == "race":
        space = typed.get("space")
        return [str(axis) for axis in space] if isinstance(space, list) else []
    factors = typed.get("factors")
    named = [one for one in factors if isinstance(one, dict)] if isinstance(factors, list) else []
    return [str(one.get("name") or one.get("key")) for one in named if one.get("name") or one.get("key")]


def _whole(values: Any) -> list[int]:
    return [value for value in values if isinstance(value, int)] if isinstance(values, list) else []
