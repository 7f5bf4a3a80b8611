"""``hydra/sweeper=fastrun``, the default: composes all jobs of a sweep, then runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fastrun.compose.compose_job import JobComposer
from fastrun.compose.expand import expand
from fastrun.compose.launcher import FastrunLauncher, sweep_config, sweep_folder
from fastrun.compose.naming import quoted
from fastrun.compose.task import Task
from fastrun.compose.used import check_jobs
from fastrun.storage.job import JobList, Launching

_SET_BY_FASTRUN = "hydra.run.dir=", "hydra.sweep.dir=", "hydra.mode="


class GridSweeper(Sweeper):
    """Runs every combination of the values in ``key=one,two``, or the combinations that the group ``sweep`` sets."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra passes to a sweeper."""
        assert isinstance(task_function, Task)
        self.context, self.task, self.master = hydra_context, task_function, config
        self.chosen_launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Any:
        """Compose every job, then run them.

        Args:
            arguments: the overrides of the command line.

        Raises:
            ConfigError: a job does not compose. The message names it by its own overrides; no job has been started.
        """
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        folder, sweep = sweep_folder(self.master), sweep_config(self.master)
        points = expand(parser, parser.parse_overrides(arguments), sweep)
        composer = JobComposer(self.context, self.master, folder)
        jobs = [composer.compose(number, point) for number, point in enumerate(points)]
        check_jobs(jobs)
        source = JobList(jobs, self.definition(arguments))
        return self.task.sweep(folder, source, sweep, launch_with(self.chosen_launcher))

    def definition(self, arguments: list[str]) -> dict[str, Any]:
        """Return the sweep's own part of the command line, which ``fastrun resume`` composes again."""
        sources: Any = OmegaConf.to_container(self.master.hydra.runtime.config_sources)  # paths as they are
        folders = [str(source["path"]) for source in sources if source["provider"] == "command-line"]
        hydra = [str(text) for text in self.master.hydra.overrides.hydra if not str(text).startswith(_SET_BY_FASTRUN)]
        return {
            "arguments": list(arguments),
            "hydra": [*(part for folder in folders for part in ("--config-dir", folder)), *hydra],
            "launcher": self.master.hydra.runtime.choices["hydra/launcher"],
        }


def launch_with(launcher: Launcher) -> Launching | None:
    """Return what runs jobs with a launcher, or None where that is processes of this machine."""
    if isinstance(launcher, FastrunLauncher):
        return launcher.launching

    def launch(jobs: Any) -> None:
        batch = [[*job.overrides, *_folder_overrides(job.folder.absolute())] for job in jobs]
        launcher.launch(batch, initial_job_idx=jobs[0].number)

    return launch


def _folder_overrides(folder: Path) -> list[str]:
    """Return the overrides that make a folder the run directory of a job."""
    return [f"hydra.sweep.dir={quoted(str(folder.parent))}", f"hydra.sweep.subdir={quoted(folder.name)}"]
