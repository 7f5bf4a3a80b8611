"""``hydra/launcher=fastrun``, the default: runs the jobs of any sweeper, each in its own process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fastrun.compose.compose_job import JobComposer, Point
from fastrun.compose.task import Task
from fastrun.compose.used import check_jobs
from fastrun.config.settings import Settings, SweepConfig
from fastrun.config.validate import check
from fastrun.errors import ConfigError, FastrunError
from fastrun.storage.job import Job, JobList, JobRecord, Launching


class FastrunLauncher(Launcher):
    """Runs the jobs of sweepers that are not fastrun's own, which run their jobs without a launcher.

    Attributes:
        launching: what runs the jobs in place of processes of this machine; None for those.
    """

    launching: Launching | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra passes to a launcher."""
        assert isinstance(task_function, Task)
        self.context, self.task, self.master = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs.

        Args:
            job_overrides: the overrides of each job.
            initial_job_idx: the number of the first job.

        Returns:
            The best value of each job's metric, or its error.

        Raises:
            ConfigError: a job does not compose. No job has been started then.
        """
        folder, sweep = sweep_folder(self.master), sweep_config(self.master)
        shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
        composer = JobComposer(self.context, self.master, folder)
        points = [
            Point([text for text in overrides if text not in shared], list(overrides)) for overrides in job_overrides
        ]
        jobs = [composer.compose(number, point) for number, point in enumerate(points, initial_job_idx)]
        check_jobs(jobs)
        records = {record.number: record for record in self.task.sweep(folder, JobList(jobs), sweep, self.launching)}
        return [_job_return(job, records[job.number]) for job in jobs]


def _job_return(job: Job, record: JobRecord) -> JobReturn:
    """Return the outcome of a job in the form that Hydra's sweepers take."""
    result = JobReturn(overrides=job.overrides, cfg=OmegaConf.create(record.config), status=JobStatus.COMPLETED)
    if record.state == "finished":
        result.return_value = (record.best or {}).get("value")
    else:
        result.status = JobStatus.FAILED
        result.return_value = FastrunError(record.error or f"job {job.number} {record.state}")
    return result


def sweep_config(config: DictConfig) -> SweepConfig:
    """Return the checked ``sweep`` group of a composed config.

    Raises:
        ConfigError: a value is not allowed.
    """
    sweep = OmegaConf.to_object(config.sweep)
    assert isinstance(sweep, SweepConfig)
    check(Settings(sweep=sweep))
    return sweep


def sweep_folder(config: DictConfig) -> Path:
    """Return the folder of a sweep.

    Raises:
        ConfigError: the command line names the folders of the jobs as well.
    """
    if any(text.startswith("hydra.sweep.subdir") for text in config.hydra.overrides.hydra):
        raise ConfigError("a sweep names the folders of its jobs itself", "leave out hydra.sweep.subdir")
    return Path(str(config.hydra.sweep.dir))
