"""A run that a study asks for, and the job that makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastrun.compose.naming import slug
from fastrun.config.settings import CheckpointConfig, Settings, TargetConfig
from fastrun.storage.job import Job
from fastrun.study.arms import Arm

LENGTH, PACE = "length", "pace"
SPLIT_SEED = "split_seed"  # the key of a data set that is split by chance


@dataclass(frozen=True)
class Request:
    """A run that a study asks for. Two requests are the same run if all of this is the same.

    Attributes:
        arm: the name of the arm.
        seed: its seed.
        steps: its length in optimizer steps; None for the recipe's own.
        kind: ``length`` for a whole run that is judged by its metric; ``pace`` for one that only its seconds count of.
        lr: a learning rate to try in place of the arm's own; None for that.
        mark: what tells it from other runs of that kind and arm, such as the round and the machine of a pace.
    """

    arm: str
    seed: int
    steps: int | None = None
    kind: str = LENGTH
    lr: float | None = None
    mark: str = ""

    @property
    def label(self) -> tuple[str, ...]:
        """Return the texts that a record of the ledger keeps, by which the run is found again."""
        parts = [f"arm={self.arm}", f"seed={self.seed}"]
        parts += [f"steps={self.steps}"] if self.steps is not None else []
        parts += [f"optimizer.lr={self.lr:.6g}"] if self.lr is not None else []
        parts += [f"pace={self.mark}"] if self.kind == PACE else [f"mark={self.mark}"] if self.mark else []
        return tuple(parts)


def job_of(
    request: Request,
    arm: Arm,
    number: int,
    folder: Path,
    target: TargetConfig,
    freeze: str = "",
    *,
    resample: bool = False,
) -> Job:
    """Return the job of a request.

    Args:
        request: the run that is asked for.
        arm: its arm.
        number: the number of the job.
        folder: the folder of the study's runs.
        target: the target, which ends no run.
        freeze: for a pace, how long the body of a network that is finetuned stays frozen.
        resample: whether the seed is that of the split into training and validation data, too.
    """
    settings = replace(arm.settings, seed=request.seed, target=replace(target, stop=False))
    overrides = [*arm.overrides, f"seed={request.seed}"]
    if resample:
        settings = replace(settings, data=settings.data | {SPLIT_SEED: request.seed})
        overrides.append(f"data.{SPLIT_SEED}={request.seed}")
    if request.steps is not None:
        settings = replace(settings, steps=request.steps)
        overrides.append(f"steps={request.steps}")
    if request.lr is not None:
        settings = replace(settings, optimizer=settings.optimizer | {"lr": request.lr})
        overrides.append(f"optimizer.lr={request.lr:.6g}")
    if request.kind == PACE:
        settings, more = _for_pace(settings, freeze)
        overrides += more
    elif settings.checkpoint.kind != "none":  # of hundreds of runs, the newest checkpoint and the best are enough
        settings = replace(settings, checkpoint=replace(settings.checkpoint, keep=1))
        overrides.append("checkpoint.keep=1")
    name = slug(",".join(request.label))
    return Job(number, list(request.label), overrides, settings, folder / f"{number}-{name}")


def _for_pace(settings: Settings, freeze: str) -> tuple[Settings, list[str]]:
    """Return the settings of a run that is short and only timed: no checkpoint, and one validation, at its end."""
    changed: dict[str, Any] = {
        "val_every": "100%",
        "log_every": 1,
        "checkpoint": CheckpointConfig(kind="none"),
        "logger": {"_target_": None},
        "target": TargetConfig(metric=settings.target.metric),
    }
    overrides = ["val_every=100%", "log_every=1", "checkpoint=none"]
    if freeze and settings.transfer.kind == "finetune":
        changed["transfer"] = replace(settings.transfer, freeze=freeze)
        overrides.append(f"transfer.freeze={freeze}")
    return replace(settings, **changed), overrides
