"""A point of a sweep, and the job that it composes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from fastrun.errors import FastrunError
from fastrun.hydra_app.composing import typed
from fastrun.hydra_app.naming import slug
from fastrun.hydra_app.translated import translated
from fastrun.job import Job


@dataclass(frozen=True)
class Point:
    """The overrides that tell a job from the others, and all of its overrides."""

    own: list[str]
    said: list[str]


def composed(context: HydraContext, master: DictConfig, folder: Path, number: int, point: Point) -> Job:
    """Compose the job at a point.

    Raises:
        ConfigError: it does not compose; the message begins with the point's own overrides.
    """
    before = HydraConfig.instance().cfg
    try:
        with translated(point.said):
            config = context.config_loader.load_sweep_config(master, point.said)
            with open_dict(config):
                config.hydra.job.id = str(number)
                config.hydra.job.num = number
            HydraConfig.instance().set_config(config)  # for what a config takes from ${hydra:…}
            choices = dict(config.hydra.runtime.choices)
            OmegaConf.set_readonly(config, False)
            OmegaConf.set_struct(config, False)
            config.pop("hydra")
            settings = typed(config, choices)
    except FastrunError as error:
        error.message = f"job {number} ({' '.join(point.own)}): {error.message}" if point.own else error.message
        raise
    finally:
        HydraConfig.instance().cfg = before
    own = slug(",".join(override.lstrip("+") for override in point.own))
    return Job(number, point.own, point.said, settings, folder / f"{number}-{own}")
