"""``hydra/launcher=fastrun``, the default: the jobs of any sweeper, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fastrun.errors import ConfigError, FastrunError
from fastrun.hydra_app.point import Point, composed
from fastrun.hydra_app.task import Task
from fastrun.job import Job, Listed, Row
from fastrun.limits import check
from fastrun.settings import Settings, Sweep


class OwnLauncher(Launcher):
    """Runs the points of a sweeper that is not ours; ours runs its jobs without it."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take note of what Hydra hands over."""
        assert isinstance(task_function, Task)
        self.context, self.task, self.master = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; each returns the best value of its metric.

        Raises:
            ConfigError: a job that does not compose; none has been started then.
        """
        folder, sweep = sweep_folder(self.master), settings_of(self.master)
        shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
        jobs = []
        for number, said in enumerate(job_overrides, initial_job_idx):
            point = Point([text for text in said if text not in shared], list(said))
            jobs.append(composed(self.context, self.master, folder, number, point))
        rows = {row.number: row for row in self.task.sweep(folder, Listed(jobs), sweep, None)}
        return [_returned(job, rows[job.number]) for job in jobs]


def _returned(job: Job, row: Row) -> JobReturn:
    """Return a job's end as Hydra's sweepers want it."""
    if row.state == "finished":
        value, status = (row.best or {}).get("value"), JobStatus.COMPLETED
    else:
        value, status = FastrunError(row.error or f"job {job.number} {row.state}"), JobStatus.FAILED
    done = JobReturn(overrides=job.said, cfg=OmegaConf.create(row.config), status=status)
    done.return_value = value
    return done


def settings_of(config: DictConfig) -> Sweep:
    """Return how a sweep is to run.

    Raises:
        ConfigError: a value that does not fit.
    """
    sweep = OmegaConf.to_object(config.sweep)
    assert isinstance(sweep, Sweep)
    check(Settings(sweep=sweep))
    return sweep


def sweep_folder(config: DictConfig) -> Path:
    """Return where a sweep goes.

    Raises:
        ConfigError: the folders of its jobs were given as well.
    """
    if any(text.startswith("hydra.sweep.subdir") for text in config.hydra.overrides.hydra):
        raise ConfigError("a sweep names the folders of its jobs itself", "leave out hydra.sweep.subdir")
    return Path(str(config.hydra.sweep.dir))
