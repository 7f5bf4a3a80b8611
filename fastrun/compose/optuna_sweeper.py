"""``hydra/sweeper=optuna``: Optuna suggests points from the results of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from fastrun.compose.compose_job import JobComposer
from fastrun.compose.expand import axes_of, point
from fastrun.compose.launcher import sweep_config, sweep_folder
from fastrun.compose.search.grid import merge
from fastrun.compose.search.optuna_config import OptunaConfig, check
from fastrun.compose.search.space import Axis, Interval, Overrides
from fastrun.compose.sweeper import GridSweeper, launch_with
from fastrun.compose.used import check_jobs
from fastrun.config.monitor import Monitor, directions_of
from fastrun.config.settings import Settings, SweepConfig
from fastrun.errors import ConfigError, nearest
from fastrun.storage.job import Job

if TYPE_CHECKING:
    from fastrun.compose.search.optuna_study import OptunaSource


class OptunaSweeper(GridSweeper):
    """Searches the space of ``key=interval(0,1)`` and ``key=one,two``."""

    def __init__(self, **values: Any) -> None:
        """Create the sweeper with the values of its config.

        Args:
            **values: the values under ``hydra.sweeper``.

        Raises:
            ConfigError: a value is unknown or not allowed.
        """
        known = vars(OptunaConfig())
        for key in values.keys() - known:
            raise ConfigError(f"no key hydra.sweeper.{key}", nearest(key, known) or f"choose from {', '.join(known)}")
        self.search = OptunaConfig(**values)
        check(self.search)

    def sweep(self, arguments: list[str]) -> Any:
        """Run all trials and print the best one.

        Args:
            arguments: the overrides of the command line.

        Raises:
            ConfigError: there is nothing to search, an end of the space does not compose, or Optuna is not installed.
        """
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        self.overrides = parser.parse_overrides(arguments)
        folder, sweep, axes = sweep_folder(self.master), sweep_config(self.master), axes_of(self.overrides)
        _check(sweep, axes)
        self.composer = JobComposer(self.context, self.master, folder)
        self._set_direction(self._try_ends(axes))
        definition = self.definition(arguments) | {"search": vars(self.search)}
        source = _source_type(self.search.sampler)(
            folder, self.search, axes, self._job, n_jobs=sweep.at_once, definition=definition
        )
        records = self.task.sweep(folder, source, sweep, launch_with(self.chosen_launcher))
        print(_format_best(source, folder))
        return records

    def _job(self, number: int, overrides: Overrides) -> Job:
        return self.composer.compose(number, point(self.overrides, overrides))

    def _try_ends(self, axes: Sequence[Axis]) -> Settings:
        """Compose a point at every end of the space, to find mistakes before anything runs; return the first."""
        first = merge([_ends(axis)[0] for axis in axes])
        ends = [{}, *(end for axis in axes for end in _ends(axis)[1:])]
        jobs = [self._job(0, {**first, **end}) for end in ends]
        check_jobs(jobs)
        return jobs[0].settings

    def _set_direction(self, settings: Settings) -> None:
        """Set the direction of the search, unless the user did: that in which the monitor of the runs is better."""
        metric = settings.target.metric or ("val/perplexity" if _is_language(settings.data) else "val/acc")
        better = "maximize" if Monitor.of(metric, directions_of(settings.metrics)).higher_is_better else "minimize"
        self.search.direction = self.search.direction or better


def _is_language(data: Mapping[str, Any]) -> bool:
    """Say whether a run predicts next tokens, as far as its settings alone tell."""
    name = data.get("_target_")
    return name == "text" or (name == "hf" and not data.get("target"))


def _source_type(sampler: str) -> type[OptunaSource]:
    """Import the source of jobs, which needs Optuna.

    Raises:
        ConfigError: Optuna, or what the sampler needs, is not installed.
    """
    if sampler == "cmaes" and not find_spec("cmaes"):
        raise ConfigError("hydra.sweeper.sampler=cmaes needs the package cmaes", "pip install cmaes")
    try:
        from fastrun.compose.search.optuna_study import OptunaSource
    except ImportError as error:
        raise ConfigError("hydra/sweeper=optuna needs optuna", "pip install 'fastrun[sweep]'") from error
    return OptunaSource


def _check(sweep: SweepConfig, axes: Sequence[Axis]) -> None:
    """Check that a sweep can be a search.

    Raises:
        ConfigError: it sets what chooses points of a grid, or sweeps over nothing.
    """
    for key in ("zip", "random", "file"):
        if getattr(sweep, key):
            raise ConfigError(f"sweep.{key} is not for hydra/sweeper=optuna, which chooses points", "leave it out")
    if not axes:
        raise ConfigError("there is nothing to search", "sweep over a key: 'optimizer.lr=tag(log,interval(1e-4,1e-1))'")


def _ends(axis: Axis) -> Sequence[Overrides]:
    """Return the bounds of an interval, or all of a list of values."""
    return [axis.place(axis.low), axis.place(axis.high)] if isinstance(axis, Interval) else axis.places()


def _format_best(source: OptunaSource, folder: Path) -> str:
    """Return a line about the best trial."""
    best = source.best()
    if best is None:
        return "no trial has finished"
    params = " ".join(f"{key}={value}" for key, value in best.params.items())
    return f"best: trial {best.number}, {best.value:.6g}, with {params}; see {folder / 'best.json'}"
