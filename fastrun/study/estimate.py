"""``fastrun ablate --plan``: what a study would be and about how long it would take, from one short run."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastrun.config.duration import to_seconds, to_steps
from fastrun.config.settings import CheckpointConfig, Settings, SweepConfig, TargetConfig
from fastrun.errors import ConfigError
from fastrun.storage.job import Job, JobList
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import AGAIN, FULL, Arm, narrowed, same_arms
from fastrun.study.definition import Definition
from fastrun.study.pilot import PILOTS
from fastrun.study.planning import PACE_SECONDS, blocks_of, most_kept
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.judge import least_blocks
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.runner import sweep

_STEPS = 40  # of the run that is timed
_WALK = 2.5  # runs that an arm usually takes in a block
_START = 0.5  # seconds to start a run


@dataclass(frozen=True)
class Estimate:
    """About what a study takes.

    Attributes:
        arms: the arms that are trained.
        comparisons: how many there are, that of the full run with itself left out.
        blocks: how many blocks there are.
        least_blocks: how many can decide, at least.
        screening: how many runs there are to find the factors that are confirmed; 0 where all of them are.
        confirmed: how many factors that leaves.
        runs: about how many runs there are.
        seconds: about how long all of it takes.
    """

    arms: int
    comparisons: int
    blocks: int
    least_blocks: int
    screening: int
    confirmed: int
    runs: int
    seconds: float


def estimate(definition: Definition, client: JobServer | None = None) -> Estimate:
    """Return about what a study takes, by a run of some steps that is thrown away.

    Raises:
        ConfigError: the run fails.
    """
    config, factors, design = definition.config, definition.factors, definition.design
    if definition.screening:
        factors = factors[: most_kept(config)]  # which ones changes little of how long it takes
        design = narrowed(design, factors)
    least = least_blocks(design.claims, sequential=config.until is not None)
    arms, blocks = len(design.arms) - len(same_arms(design.arms)), blocks_of(config, design.claims)
    pairs, beside = _pairs(config)
    before = PILOTS * 3 + arms - 2 + config.tune * (arms - 1) + len(definition.screening)
    ladders, rounds = round(blocks * (arms + pairs) * _WALK), blocks * (arms + pairs + beside)
    whole, jobs = run_seconds(definition.full, client), definition.full.settings.sweep.at_once
    seconds = (before + ladders) * whole / jobs + rounds * (PACE_SECONDS + _START)
    runs = before + ladders + rounds
    return Estimate(arms, design.claims, blocks, least, len(definition.screening), len(factors), runs, seconds)


def _pairs(config: StudyConfig) -> tuple[int, int]:
    """Return how many pairs of factors are explored, and how many other arms are timed again beside them."""
    if isinstance(config.pairs, int):
        return config.pairs, config.pairs + 2
    named = {name for pair in config.named_pairs for name in pair}
    return len(config.named_pairs), len(named) + bool(named)


def show_plan(definition: Definition, client: JobServer | None, *, as_json: bool = False) -> None:
    """Print the arms of a study, how many runs it has, about how long it takes, and what it can decide."""
    same = same_arms(definition.design.arms)
    arms = {name: arm.overrides for name, arm in definition.design.arms.items()}
    if not as_json:
        table = Table("arm", "is", box=None, pad_edge=False, header_style="dim")
        for name in arms:
            table.add_row(name, f"the same as {same[name]}" if name in same else _described(name, arms))
        Console(highlight=False).print(table)
        print(f"timing a run of about {_STEPS} steps", flush=True)
    found = estimate(definition, client)
    if as_json:
        content: dict[str, Any] = {"arms": arms, "same": same} | asdict(found)
        print(json.dumps(content))
        return
    length, jobs = format_time(found.seconds), definition.full.settings.sweep.at_once
    if found.screening:
        print(
            f"{len(definition.factors)} factors, screened by {found.screening} runs, each without about half of them; "
            f"the {found.confirmed} with the largest effects are confirmed"
        )
    print(
        f"{found.blocks} blocks of {counted(found.arms, 'different arm')}: about {found.runs} runs, about {length} "
        f"if they are as long as the recipe ({jobs} at a time)"
    )
    comparisons = counted(found.comparisons, "comparison")
    enough = f"{found.least_blocks} blocks are the least that can decide {comparisons}"
    print(f"{enough}; small differences take more")
    budget = definition.config.budget
    if budget is not None and found.seconds > to_seconds(budget, "study.budget"):
        print(f"study.budget={budget} is shorter: the study would most likely end before it can decide anything")


def format_time(seconds: float) -> str:
    """Return a time as people say it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, word: str) -> str:
    """Return a number of things in words."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def _described(name: str, arms: dict[str, list[str]]) -> str:
    """Return the command line of an arm, of most arms only what the full run has not."""
    if name == FULL:
        return " ".join(arms[FULL])
    if name == AGAIN:
        return "the full run with other seeds"
    gone = [text for text in arms[FULL] if text not in arms[name]]
    changed = [text for text in arms[name] if text not in arms[FULL]]
    replaced = {text.partition("=")[0].partition(".")[0] for text in changed}
    gone = [text for text in gone if text.lstrip("+").partition("=")[0].partition(".")[0] not in replaced]
    return " ".join([*changed, *(f"without {text}" for text in gone)])


def run_seconds(full: Arm, client: JobServer | None) -> float:
    """Return about how long a run of the recipe's length takes, start and validations included."""
    steps = _STEPS
    while not full.fits(steps) and steps < 1 << 20:
        steps *= 2
    settings = replace(
        full.settings,
        steps=steps,
        val_every="100%",
        target=TargetConfig(metric=full.settings.target.metric),
        checkpoint=CheckpointConfig(kind="none"),
        logger={"_target_": None},
    )
    with tempfile.TemporaryDirectory(prefix="fastrun-plan-") as folder:
        job = Job(0, [FULL], [*full.overrides, f"steps={steps}"], settings, Path(folder) / "0-plan")
        (record,) = sweep(Path(folder), JobList([job]), SweepConfig(), client=client, quiet=True)
        if record.state != "finished":
            raise ConfigError(
                f"the full run fails: {record.error}", "try it: fastrun train " + " ".join(full.overrides)
            )
        summary = RunDir(job.folder).read("summary.json")
    return _START + _whole_seconds(full.settings, summary)


def _whole_seconds(settings: Settings, summary: dict[str, Any]) -> float:
    """Return the seconds of a whole run, by the summary of a short one."""
    clock = summary["clock"]
    per_epoch = max(1, round(summary["steps"] / max(1e-9, summary["epochs"])))
    total = settings.steps or settings.epochs * per_epoch
    every = to_steps(settings.val_every, steps_per_epoch=per_epoch, total_steps=total, key="val_every")
    step = (clock["train"] + clock["data_wait"]) / summary["steps"]
    return float(total * step + max(1, total // max(1, every)) * clock["validate"])
