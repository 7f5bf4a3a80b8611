"""A point of a sweep, and the job that it composes to."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from fastrun.errors import FastrunError
from fastrun.hydra_app.composing import typed
from fastrun.hydra_app.naming import slug
from fastrun.hydra_app.translated import translated
from fastrun.job import Job
from fastrun.redaction import clean

_bases: WeakKeyDictionary[ConfigLoaderImpl, dict[tuple[str, ...], DictConfig]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Point:
    """The overrides that tell a job from the others, all of its overrides, and where they stand, if in a file."""

    own: list[str]
    said: list[str]
    where: str = ""


def composed(context: HydraContext, master: DictConfig, folder: Path, number: int, point: Point) -> Job:
    """Compose the job at a point.

    Raises:
        ConfigError: it does not compose; the message begins with the point's own overrides.
    """
    before = HydraConfig.instance().cfg
    try:
        with translated(point.said):
            config = _config(context, master, point.said)
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
        own = clean(" ".join(point.own))
        if "could not be converted to Integer" in error.message and any("." in text for text in point.own):
            error.hint = "an interval of whole numbers: key=int(interval(1,10))"
        error.message = f"{point.where or f'job {number} ({own})'}: {error.message}" if own else error.message
        raise
    finally:
        HydraConfig.instance().cfg = before
    own = slug(",".join(override.lstrip("+") for override in point.own))
    return Job(number, point.own, point.said, settings, folder / f"{number}-{own}")


def _config(context: HydraContext, master: DictConfig, said: list[str]) -> DictConfig:
    """Compose what overrides say.

    Hydra composes the chosen options first and sets values last. The first, a tenth of a second, is done once for all
    jobs of a sweep that choose the same.
    """
    loader = context.config_loader
    assert isinstance(loader, ConfigLoaderImpl)
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(said)
    values = [override for override in parsed if _is_value(override, loader)]
    choices = tuple(str(override.input_line) for override in parsed if override not in values)
    bases = _bases.setdefault(loader, {})
    if choices not in bases:
        bases[choices] = loader.load_sweep_config(master, list(choices))
    config = deepcopy(bases[choices])
    loader._apply_overrides_to_config(values, config)
    return config


def _is_value(override: Override, loader: ConfigLoaderImpl) -> bool:
    """Say whether Hydra sets an override as a value, once all options are composed."""
    is_group = loader.repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)
    return not is_group and not override.is_hydra_override()
