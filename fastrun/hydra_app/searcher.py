"""``hydra/sweeper=optuna``: points that Optuna suggests from the results of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from fastrun.errors import ConfigError, nearest
from fastrun.hydra_app.launcher import settings_of, sweep_folder
from fastrun.hydra_app.point import composed
from fastrun.hydra_app.points import axes_of, point
from fastrun.hydra_app.sweeper import GridSweeper, launching
from fastrun.job import Job
from fastrun.judging import Known
from fastrun.search.asked import Asked, check
from fastrun.search.axis import Axis, Interval, Side
from fastrun.search.combine import merged
from fastrun.settings import Settings, Sweep

if TYPE_CHECKING:
    from fastrun.search.study import Search


class OptunaSweeper(GridSweeper):
    """Searches the space that ``key=interval(0,1)`` and ``key=one,two`` span."""

    def __init__(self, **wanted: Any) -> None:
        """Take the values under ``hydra.sweeper``.

        Raises:
            ConfigError: one that does not fit.
        """
        known = vars(Asked())
        for key in wanted.keys() - known:
            raise ConfigError(f"no key hydra.sweeper.{key}", nearest(key, known) or f"there are {', '.join(known)}")
        self.wanted = Asked(**wanted)
        check(self.wanted)

    def sweep(self, arguments: list[str]) -> Any:
        """Have trials run until there are as many as wanted, and print the best.

        Raises:
            ConfigError: there is nothing to search, an end of the space does not compose, or Optuna is not installed.
        """
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        self.overrides = parser.parse_overrides(arguments)
        folder, sweep, axes = sweep_folder(self.master), settings_of(self.master), axes_of(self.overrides)
        _check(sweep, axes)
        self._settle_direction(self._try_ends(folder, axes))
        asked = self.asked(arguments) | {"search": vars(self.wanted)}
        source = _search(self.wanted.sampler)(
            folder, self.wanted, axes, lambda *at: self._job(folder, *at), at_once=sweep.jobs, asked=asked
        )
        rows = self.task.sweep(folder, source, sweep, launching(self.chosen))
        print(_told(source, folder))
        return rows

    def _job(self, folder: Path, number: int, side: Side) -> Job:
        return composed(self.context, self.master, folder, number, point(self.overrides, side))

    def _try_ends(self, folder: Path, axes: Sequence[Axis]) -> Settings:
        """Compose a point at every end of the space, so that a mistake shows before anything runs."""
        first = merged([_ends(axis)[0] for axis in axes])
        for side in [end for axis in axes for end in _ends(axis)[1:]]:
            self._job(folder, 0, {**first, **side})
        return self._job(folder, 0, first).settings

    def _settle_direction(self, settings: Settings) -> None:
        """Search for less or more, as the metric is better that runs are judged by."""
        metric = settings.target.metric or ("val/perplexity" if settings.choices.get("data") == "text" else "val/acc")
        better = "maximize" if Known.of(metric).higher_is_better else "minimize"
        self.wanted.direction = self.wanted.direction or better


def _search(sampler: str) -> type[Search]:
    if sampler == "cmaes" and not find_spec("cmaes"):
        raise ConfigError("hydra.sweeper.sampler=cmaes needs the package cmaes", "pip install cmaes")
    try:
        from fastrun.search.study import Search
    except ImportError as error:
        raise ConfigError("hydra/sweeper=optuna needs optuna", "pip install 'fastrun[sweep]'") from error
    return Search


def _check(sweep: Sweep, axes: Sequence[Axis]) -> None:
    for key in ("zip", "random", "file"):
        if getattr(sweep, key):
            raise ConfigError(
                f"sweep.{key} is not for hydra/sweeper=optuna, which chooses points itself", "leave it out"
            )
    if not axes:
        raise ConfigError("there is nothing to search", "say where: 'optimizer.lr=tag(log,interval(1e-4,1e-1))'")


def _ends(axis: Axis) -> Sequence[Side]:
    return [axis.side(axis.low), axis.side(axis.high)] if isinstance(axis, Interval) else axis.sides()


def _told(source: Search, folder: Path) -> str:
    """Return a line on the best trial."""
    best = source.best()
    if best is None:
        return "no trial has finished"
    params = " ".join(f"{key}={value}" for key, value in best.params.items())
    return f"best: trial {best.number}, {best.value:.6g}, with {params}; {folder / 'best.json'} says so, too"
