"""study.json: what was typed for a study, and the composed config of every arm; enough to go on with it anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastrun import compose
from fastrun.errors import CheckpointError
from fastrun.redaction import redact, redact_message, redact_override
from fastrun.storage.atomic import storage_errors, write_atomic
from fastrun.storage.format import FORMAT, check_format
from fastrun.storage.links import check_no_links
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import FULL, Arm, Design
from fastrun.study.factors import Factor
from fastrun.study.folder import DEFINITION, RUNS
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.contrast import Contrast

_AGAIN = "start it again: fastrun ablate …"


@dataclass(frozen=True)
class Definition:
    """What a study is about.

    Attributes:
        folder: its folder.
        config: how it is made.
        factors: what is taken away.
        design: the arms, and what is compared.
        overrides: the command line of the run, as it was typed.
        screening: the arms of the screening in the order of its design; empty where there is none.
        place: where its runs are made: ``hydra/launcher=…`` with its keys; empty for this machine.
    """

    folder: Path
    config: StudyConfig
    factors: list[Factor]
    design: Design
    overrides: list[str]
    screening: dict[str, Arm] = field(default_factory=dict)
    place: list[str] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        """Return the folder of the runs, which is that of a sweep."""
        return self.folder / RUNS

    @property
    def full(self) -> Arm:
        """Return the full run."""
        return self.design.arms[FULL]

    def write(self) -> None:
        """Write study.json.

        Raises:
            StorageError: it cannot be written.
        """
        content = {
            "format": FORMAT,
            "created": time.time(),
            "study": redact(asdict(self.config), redact_message),
            "overrides": list(map(redact_override, self.overrides)),
            "factors": [asdict(factor) for factor in self.factors],
            "contrasts": [asdict(contrast) for contrast in self.design.contrasts],
            "arms": written_arms(self.design.arms),
            "screening": written_arms(self.screening),
            "place": list(map(redact_override, self.place)),
        }
        with storage_errors(self.folder):
            self.runs.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / DEFINITION, json.dumps(content, indent=2, default=str))


def written_arms(arms: Mapping[str, Arm]) -> dict[str, Any]:
    """Return what a file says of arms, from which :func:`read_arms` has them again."""
    return {
        name: {"overrides": list(map(redact_override, arm.overrides)), "config": redact(asdict(arm.settings))}
        for name, arm in arms.items()
    }


def read_arms(content: Mapping[str, Any]) -> dict[str, Arm]:
    """Return the arms that a file has.

    Raises:
        ConfigError: one cannot be composed any more, as where a secret was typed, which no file keeps.
    """
    return {
        name: Arm(name, list(arm["overrides"]), compose.from_config(arm["config"], [])) for name, arm in content.items()
    }


def read_definition(folder: Path) -> Definition:
    """Return what a study is about.

    Raises:
        CheckpointError: there is no study in the folder, or one of another format, or its file is damaged.
        ConfigError: an arm cannot be composed any more, as where a secret was typed, which no file keeps.
    """
    if not (folder / DEFINITION).is_file():
        raise CheckpointError(f"{folder} is not a study", "`fastrun runs` lists what there is")
    check_no_links(folder, folder / RUNS)
    content = RunDir(folder).read(DEFINITION)
    check_format(content.get("format"), str(folder / DEFINITION), _AGAIN)
    try:
        arms, screening = read_arms(content["arms"]), read_arms(content.get("screening", {}))
        contrasts = [Contrast(**one) for one in content["contrasts"]]
        factors = [Factor(**one) for one in content["factors"]]
        config, overrides = StudyConfig(**content["study"]), list(content["overrides"])
        place = list(content.get("place", []))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{folder / DEFINITION} is damaged, or of another version of fastrun", _AGAIN) from error
    return Definition(folder, config, factors, Design(arms, contrasts), overrides, screening, place)
