"""``hydra/sweeper=fastrun``, the default: the whole sweep composed first, then run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from fastrun.hydra_app.launcher import OwnLauncher, settings_of, sweep_folder
from fastrun.hydra_app.naming import quoted
from fastrun.hydra_app.point import composed
from fastrun.hydra_app.points import points
from fastrun.hydra_app.task import Task
from fastrun.job import Launch, Listed

_OURS = "hydra.run.dir=", "hydra.sweep.dir=", "hydra.mode="


class GridSweeper(Sweeper):
    """Runs every combination of the values that ``key=one,two`` lists, or those that ``sweep`` says."""

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
        folder, sweep = sweep_folder(self.master), settings_of(self.master)
        found = points(parser, parser.parse_overrides(arguments), sweep)
        jobs = [composed(self.context, self.master, folder, number, point) for number, point in enumerate(found)]
        source = Listed(jobs, self.asked(arguments))
        return self.task.sweep(folder, source, sweep, launching(self.chosen))

    def asked(self, arguments: list[str]) -> dict[str, Any]:
        """Return what was asked for, as a sweep that goes on needs it."""
        sources = self.master.hydra.runtime.config_sources
        folders = [str(one.path) for one in sources if one.provider == "command-line"]
        said = [str(text) for text in self.master.hydra.overrides.hydra if not str(text).startswith(_OURS)]
        return {
            "arguments": list(arguments),
            "hydra": [*(part for folder in folders for part in ("--config-dir", folder)), *said],
            "launcher": self.master.hydra.runtime.choices["hydra/launcher"],
        }


def launching(launcher: Launcher) -> Launch | None:
    """Return what hands jobs to the launcher that was chosen, or None where it is ours."""
    if isinstance(launcher, OwnLauncher):
        return None

    def launch(jobs: Any) -> None:
        batch = [[*job.said, *_places(job.folder.absolute())] for job in jobs]
        launcher.launch(batch, initial_job_idx=jobs[0].number)

    return launch


def _places(folder: Path) -> list[str]:
    return [f"hydra.sweep.dir={quoted(str(folder.parent))}", f"hydra.sweep.subdir={quoted(folder.name)}"]
