"""The jobs of a sweep: composed from the points, fast where many jobs choose the same options."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from fastrun.compose.choices import note_choices
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.naming import slug
from fastrun.compose.typed import typed, without_hydra
from fastrun.compose.user_folders import note_unused_files
from fastrun.errors import FastrunError
from fastrun.redaction import redact_message
from fastrun.storage.job import Job


@dataclass(frozen=True)
class Point:
    """A point of a sweep, from which a job is composed.

    Attributes:
        sweep_overrides: the overrides in which it differs from other points.
        overrides: all of its overrides.
        where: the file and line of ``sweep.file`` with its overrides; empty for none.
    """

    sweep_overrides: list[str]
    overrides: list[str]
    where: str = ""


class JobComposer:
    """Composes the jobs of a sweep.

    Hydra composes the chosen options first and sets values last. Composing options takes a tenth of a second, so it is
    done once for all jobs that choose the same options.

    Args:
        context: the context that Hydra passes to a sweeper or launcher.
        master: the config of the sweep.
        folder: the folder of the sweep.
    """

    def __init__(self, context: HydraContext, master: DictConfig, folder: Path) -> None:
        self._loader, self._master, self._folder = context.config_loader, master, folder
        self._parser = OverridesParser.create(config_loader=self._loader)
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._is_group: dict[str, bool] = {}

    def compose(self, number: int, point: Point) -> Job:
        """Compose the job at a point.

        Args:
            number: the job's number, from 0.
            point: its overrides.

        Raises:
            ConfigError: the job does not compose; the message begins with the point's own overrides.
        """
        before = HydraConfig.instance().cfg
        try:
            with translate_errors(point.overrides):
                config = self._config(point.overrides)
                with open_dict(config):
                    config.hydra.job.id = str(number)
                    config.hydra.job.num = number
                HydraConfig.instance().set_config(config)  # for ${hydra:…} in a config
                settings = typed(*without_hydra(config, point.overrides))
                note_unused_files(settings.choices)
        except FastrunError as error:
            _name_job(error, number, point)
            raise
        finally:
            HydraConfig.instance().cfg = before
        name = slug(",".join(override.lstrip("+") for override in point.sweep_overrides))
        return Job(number, point.sweep_overrides, point.overrides, settings, self._folder / f"{number}-{name}")

    def _config(self, overrides: list[str]) -> DictConfig:
        parsed = self._parser.parse_overrides(overrides)
        values = [override for override in parsed if self._is_value(override)]
        choices = tuple(str(override.input_line) for override in parsed if override not in values)
        if choices not in self._bases:
            note_choices(overrides)
            self._bases[choices] = self._loader.load_sweep_config(self._master, list(choices))
        config = deepcopy(self._bases[choices])
        for override in values:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return config

    def _is_value(self, override: Override) -> bool:
        """Say whether an override sets a value, which Hydra does once all options are composed."""
        key = override.key_or_group
        if override.type != OverrideType.CHANGE or override.package is not None or override.is_hydra_override():
            return False
        if key not in self._is_group:
            self._is_group[key] = bool(self._loader.get_group_options(key))
        return not self._is_group[key] or isinstance(override.value(), dict)


def _name_job(error: FastrunError, number: int, point: Point) -> None:
    """Put the job, or the line of its overrides, before the message of an error.

    Args:
        error: the error; it is changed.
        number: the job's number.
        point: what it is composed from.
    """
    overrides = redact_message(" ".join(point.sweep_overrides))
    if "could not be converted to Integer" in error.message and any("." in text for text in point.sweep_overrides):
        error.hint = "write an interval of whole numbers: key=int(interval(1,10))"
    if overrides:
        error.message = f"{point.where or f'job {number} ({overrides})'}: {error.message}"
