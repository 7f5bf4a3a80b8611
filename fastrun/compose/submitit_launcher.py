"""``hydra/launcher=submitit_slurm`` and ``submitit_local``: hands the jobs of a sweep to submitit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fastrun.compose.carried_place import CarriedPlace
from fastrun.compose.launcher import FastrunLauncher
from fastrun.compose.task import Task
from fastrun.config.submitit import LocalQueue, SlurmQueue
from fastrun.errors import ConfigError, nearest
from fastrun.storage.job import Job

_OF_ALL = {entry.name for entry in fields(LocalQueue)} - {"submitit_folder"}  # keys that submitit takes for any cluster


class SubmititJob:
    """Runs a job where submitit has started a process, or several, for it.

    Args:
        task: knows what runs a job.
    """

    def __init__(self, task: Task) -> None:
        self.job, self.place = task.job, CarriedPlace.of_this_process(task.argv)

    def __call__(self, job: Job) -> None:
        """Run the job, which writes its own record."""
        self.place.enter()
        self.job(job)

    def checkpoint(self, job: Job) -> Any:
        """Return what submitit queues again when the job is preempted: the same, which goes on from its checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, job)


class SubmititLocal(FastrunLauncher):
    """Starts jobs on this machine.

    Args:
        **values: the values under ``hydra.launcher``.

    Raises:
        ConfigError: there is no such key.
    """

    cluster: ClassVar[str] = "local"
    queue: ClassVar[type[LocalQueue]] = LocalQueue

    def __init__(self, **values: Any) -> None:
        known = [entry.name for entry in fields(self.queue)]
        for key in values.keys() - known:
            raise ConfigError(f"no key hydra.launcher.{key}", nearest(key, known) or f"there is {', '.join(known)}")
        self.values = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in values.items()
        }
        self.launching = self._submit

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra passes to a launcher, and check that submitit can be used.

        Raises:
            ConfigError: it is not installed, there is no SLURM here, or it does not take a value.
        """
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        with tempfile.TemporaryDirectory() as folder:
            self._executor(Path(folder))

    def _submit(self, jobs: Sequence[Job]) -> None:
        """Run jobs, and wait until all have ended; a line is printed about each that never began."""
        executor = self._executor(Path(str(self.values["submitit_folder"])).absolute())
        submitted = executor.map_array(SubmititJob(self.task), jobs)
        for job, handle in zip(jobs, submitted, strict=True):
            try:
                handle.results()
            except Exception as error:  # of any kind; what became of a job that began is in its record
                if not (job.folder / "status.json").exists():
                    reason = next(iter(str(error).strip().splitlines()[-1:]), "")
                    print(f"job {job.number} did not begin: {type(error).__name__}: {reason}")

    def _executor(self, folder: Path) -> Any:
        try:
            import submitit
        except ImportError as error:
            message = f"hydra/launcher=submitit_{self.cluster} needs submitit"
            raise ConfigError(message, "pip install 'fastrun[sweep]'") from error
        values = {key: value for key, value in self.values.items() if key != "submitit_folder"}
        retries = {"slurm_max_num_timeout": values.pop("max_num_timeout")} if "max_num_timeout" in values else {}
        named = {key if key in _OF_ALL else f"{self.cluster}_{key}": value for key, value in values.items()}
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster, **retries)
            executor.update_parameters(**named)
        except (AssertionError, NameError, RuntimeError, TypeError, ValueError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(f"hydra/launcher=submitit_{self.cluster}: {reason}", "see hydra.launcher.…") from error
        return executor


class SubmititSlurm(SubmititLocal):
    """Puts jobs into the queue of SLURM."""

    cluster: ClassVar[str] = "slurm"
    queue: ClassVar[type[LocalQueue]] = SlurmQueue
