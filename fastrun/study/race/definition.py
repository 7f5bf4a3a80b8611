"""race.json: what was typed for a race, and the composed config of every candidate; enough to go on with it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastrun import compose
from fastrun.errors import CheckpointError, ConfigError
from fastrun.redaction import redact, redact_message, redact_override
from fastrun.report.location import is_race
from fastrun.storage.atomic import storage_errors, write_atomic
from fastrun.storage.format import FORMAT, check_format
from fastrun.storage.links import check_no_links
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import FULL, Arm, Design
from fastrun.study.definition import Definition
from fastrun.study.folder import RACE, RUNS
from fastrun.study.race.settings import RaceConfig
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.contrast import ADDED, Contrast

FACTOR = "raced"
_AGAIN = "start it again: fastrun race …"


@dataclass(frozen=True)
class RaceDefinition:
    """What a race is about.

    Attributes:
        folder: its folder.
        config: how it is run.
        space: the axes, as they are typed.
        reach: how many rungs above the given run's a candidate may need.
        candidates: the candidates by name; the first is the given run.
        overrides: the command line of the given run, as it was typed.
        place: where its runs are made: ``hydra/launcher=…`` with its keys; empty for this machine.
    """

    folder: Path
    config: RaceConfig
    space: list[str]
    reach: int
    candidates: dict[str, Arm]
    overrides: list[str]
    place: list[str] = field(default_factory=list)

    @property
    def given(self) -> Arm:
        """Return the given run."""
        return self.candidates[FULL]

    def study(self, winner: str | None = None) -> Definition:
        """Return the study of the given run, and of the winner beside it if there is one."""
        arms = {FULL: self.given} | ({winner: self.candidates[winner]} if winner else {})
        contrasts = [Contrast(FACTOR, ADDED, winner, FULL)] if winner else []
        config = StudyConfig(blocks=self.config.confirming_blocks)
        return Definition(self.folder, config, [], Design(arms, contrasts), self.overrides)

    def write(self) -> None:
        """Write race.json.

        Raises:
            StorageError: it cannot be written.
        """
        candidates = {
            name: {"overrides": list(map(redact_override, arm.overrides)), "config": redact(asdict(arm.settings))}
            for name, arm in self.candidates.items()
        }
        content = {
            "format": FORMAT,
            "created": time.time(),
            "race": redact(asdict(self.config), redact_message),
            "overrides": list(map(redact_override, self.overrides)),
            "space": self.space,
            "reach": self.reach,
            "candidates": candidates,
            "place": list(map(redact_override, self.place)),
        }
        with storage_errors(self.folder):
            (self.folder / RUNS).mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / RACE, json.dumps(content, indent=2, default=str))


def read_race(folder: Path) -> RaceDefinition:
    """Return what a race is about.

    Raises:
        CheckpointError: there is no race in the folder, or one of another format, or its file is damaged.
        ConfigError: a candidate cannot be composed any more, as where a secret was typed, which no file keeps.
    """
    if not is_race(folder):
        raise CheckpointError(f"{folder} is not a race", "`fastrun runs` lists what there is")
    check_no_links(folder, folder / RUNS)
    content = RunDir(folder).read(RACE)
    check_format(content.get("format"), str(folder / RACE), _AGAIN)
    try:
        candidates = {name: _candidate(name, one) for name, one in content["candidates"].items()}
        config = RaceConfig(**content["race"])
        race = RaceDefinition(
            folder,
            config,
            list(content["space"]),
            int(content["reach"]),
            candidates,
            list(content["overrides"]),
            list(content.get("place", [])),
        )
        assert FULL in candidates
    except ConfigError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise CheckpointError(f"{folder / RACE} is damaged", _AGAIN) from error
    return race


def _candidate(name: str, content: Mapping[str, Any]) -> Arm:
    return Arm(name, list(content["overrides"]), compose.from_config(content["config"], []))
