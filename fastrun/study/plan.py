"""plan.json: what a study decides before the first run that counts, with a hash over it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fastrun.errors import CheckpointError
from fastrun.redaction import redact, redact_message
from fastrun.storage.atomic import write_atomic
from fastrun.storage.format import FORMAT, check_format
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import Design
from fastrun.study.folder import PLAN
from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule
from fastrun.system.cores import allowed_cores
from fastrun.system.processor import cpu_name


@dataclass(frozen=True)
class Plan:
    """What is set before the first run that counts.

    Attributes:
        arms: the overrides of each arm, what was measured or tuned for it among them.
        pins: the groups of each arm's settings that were open, as they were found for it.
        rates: the learning rate that was found for each arm; empty where none was tuned.
        contrasts: what is compared.
        same: the arms that train what another one trains, with its name.
        same_steps: the arms that take the very steps of another one, and differ in seconds alone, with its name.
        dropped: the arms that cannot be trained, with the error.
        target: the metric to reach and its value, where that is from, and how it came about.
        base_steps: the steps of rung 0, the recipe's own length.
        rungs: the lowest and the highest rung.
        cap_steps: the steps of the highest: a run that needs more has missed the target.
        guesses: the rung that each arm begins with in every block: about where the full run reached the target.
        seeds: the seeds of the blocks.
        again_seeds: those of the second full run in each block.
        pilot_seeds: those that nothing is scored by.
        pace_steps: the steps of a run that is timed.
        freeze: for those, how long the body of a network that is finetuned stays frozen.
        rule: how the study decides.
        tuned: whether a learning rate was found for every arm.
        recipe: the recipe.
        overrides: the command line of the run.
        machine: where the seconds were to be measured.
        created: when the plan was made, in seconds since the epoch.
        screening: what the screening measured, and which factors it left; empty where there was none.
        pairs: the pairs of factors that are explored after the verdicts, as in the settings.
    """

    arms: dict[str, list[str]]
    pins: dict[str, dict[str, Any]]
    rates: dict[str, float]
    contrasts: list[dict[str, Any]]
    same: dict[str, str]
    same_steps: dict[str, str]
    dropped: dict[str, str]
    target: dict[str, Any]
    base_steps: int
    rungs: list[int]
    cap_steps: int
    guesses: dict[str, int]
    seeds: list[int]
    again_seeds: list[int]
    pilot_seeds: list[int]
    pace_steps: int
    freeze: str
    rule: dict[str, Any]
    tuned: bool
    recipe: Any
    overrides: list[str]
    machine: dict[str, Any]
    created: float
    screening: dict[str, Any] = field(default_factory=dict)
    pairs: int | list[list[str]] | None = None
    format: int = FORMAT
    sha256: str = field(default="", compare=False)

    @property
    def design_contrasts(self) -> list[Contrast]:
        """Return what is compared."""
        return [Contrast(**one) for one in self.contrasts]

    @property
    def decision_rule(self) -> Rule:
        """Return how the study decides."""
        return Rule(**self.rule)

    def trained(self, design: Design) -> list[str]:
        """Return the names of the arms that are trained: not those that cannot be, nor those that are another one."""
        return [name for name in design.arms if name not in self.dropped and name not in self.same]

    def write(self, folder: Path) -> Plan:
        """Write the plan into the folder of its study, and return it with its hash.

        Raises:
            StorageError: it cannot be written.
        """
        content = json.loads(json.dumps(redact(_content(self), redact_message)))
        write_atomic(folder / PLAN, json.dumps({"sha256": _sha256(content)} | content, indent=2))
        return read_plan(folder) or self


def read_plan(folder: Path) -> Plan | None:
    """Return the plan of a study; None where it has none yet.

    Raises:
        CheckpointError: it is of another format, was changed after it had been made, or is of a version of fastrun
            that plans other things.
    """
    content = RunDir(folder).read(PLAN)
    if not content and not (folder / PLAN).exists():
        return None
    again = "start the study again: fastrun ablate …"
    check_format(content.get("format"), str(folder / PLAN), again)
    sha256 = content.pop("sha256", None)
    if sha256 != _sha256(content):
        raise CheckpointError(f"{folder / PLAN} was changed after the study had begun", again)
    _check_version(content, folder)
    return Plan(**content, sha256=sha256)


def _check_version(content: Mapping[str, Any], folder: Path) -> None:
    """Check that a plan, which is as it was written, says what this version of fastrun goes by.

    Raises:
        CheckpointError: it says less or more.
    """
    parts: list[tuple[Mapping[str, Any], Any, str]] = [(content, Plan, ""), (content.get("rule", {}), Rule, "rule.")]
    known = {prefix + entry.name for _, kind, prefix in parts for entry in fields(kind)} - {"sha256"}
    needed = {entry.name for entry in fields(Plan) if entry.default is MISSING}
    found = {prefix + key for part, _, prefix in parts for key in part}
    if missing := sorted(needed - found):
        difference = f"it does not say {', '.join(missing)}"
    elif unknown := sorted(found - known):
        difference = f"this one does not know its {', '.join(unknown)}"
    else:
        return
    hint = "go on with the version that began the study, or start it again: fastrun ablate …"
    raise CheckpointError(f"{folder / PLAN} is of another version of fastrun: {difference}", hint)


def _content(plan: Plan) -> dict[str, Any]:
    content = asdict(plan)
    del content["sha256"]
    return content


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def this_machine() -> dict[str, Any]:
    """Return what tells machines apart whose seconds must not be mixed."""
    return {"cpu": cpu_name(), "cores": allowed_cores(), "system": platform.system()}


def short_id(machine: Mapping[str, Any]) -> str:
    """Return a few characters that stand for a machine."""
    return _sha256(machine)[:6]
