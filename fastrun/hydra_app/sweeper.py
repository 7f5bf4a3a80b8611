"""``hydra/sweeper=fastrun``, the default: the whole sweep composed first, then run."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from fastrun.errors import ConfigError
from fastrun.hydra_app.launcher import OwnLauncher, settings_of, sweep_folder
from fastrun.hydra_app.point import Point, composed
from fastrun.hydra_app.task import Task
from fastrun.job import Launch, Listed


class GridSweeper(Sweeper):
    """Runs every combination of the values that ``key=one,two`` lists."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take note of what Hydra hands over."""
        assert isinstance(task_function, Task)
        self.context, self.task, self.master = hydra_context, task_function, config
        self.chosen = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        """Compose every job, then have them run.

        Raises:
            ConfigError: a job that does not compose; it is named by its own overrides, and nothing has been started.
        """
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        points = grid(parser.parse_overrides(arguments))
        folder, sweep = sweep_folder(self.master), settings_of(self.master)
        jobs = [composed(self.context, self.master, folder, number, p) for number, p in enumerate(points)]
        source = Listed(jobs, {"arguments": list(arguments)})
        return self.task.sweep(folder, source, sweep, launching(self.chosen))


def launching(launcher: Launcher) -> Launch | None:
    """Return what hands jobs to the launcher that was chosen, or None where it is ours."""
    if isinstance(launcher, OwnLauncher):
        return None

    def launch(jobs: Any) -> None:
        batch = [[*job.said, f"hydra.sweep.subdir={_quoted(job.folder)}"] for job in jobs]
        if batch:
            launcher.launch(batch, initial_job_idx=jobs[0].number)

    return launch


def _quoted(folder: Path) -> str:
    """Return a folder's name as a value in Hydra's grammar."""
    return "'" + folder.name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def grid(overrides: list[Override]) -> list[Point]:
    """Return every combination of the values swept over, the last key's changing fastest."""
    swept = [override for override in overrides if override.is_sweep_override()]
    points = []
    for values in itertools.product(*map(texts, swept)):
        own = iter(values)
        said = [next(own) if override.is_sweep_override() else str(override.input_line) for override in overrides]
        points.append(Point(list(values), said))
    return points


def texts(override: Override) -> list[str]:
    """Return an override for each of the values that it sweeps over.

    Raises:
        ConfigError: it is a range of real numbers.
    """
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} has no end of values", "list some, or use hydra/sweeper=optuna")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
