"""The keys of ``hydra/launcher=submitit_slurm`` and ``submitit_local``, under the names that they have always had."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class LocalQueue:
    """What both take: what a job asks of a machine.

    Attributes:
        submitit_folder: where submitit writes its scripts, logs and what it hands to a job; %j is the job's number.
        timeout_min: minutes that a job may take.
        cpus_per_task: cores of each process.
        gpus_per_node: GPUs of each node.
        tasks_per_node: processes on each node.
        mem_gb: memory of each node, in GB.
        nodes: machines.
        name: what the queue shows.
        stderr_to_stdout: whether errors are written into the same log as other output.
    """

    submitit_folder: str = "${hydra.sweep.dir}/.submitit/%j"
    timeout_min: int = 60
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    tasks_per_node: int = 1
    mem_gb: float | None = None
    nodes: int = 1
    name: str = "${hydra.job.name}"
    stderr_to_stdout: bool = False


@dataclass
class SlurmQueue(LocalQueue):
    """What SLURM takes beside it, by the names of sbatch.

    Attributes:
        partition: sbatch's, as are the other ones that are not described here.
        signal_delay_s: seconds before the end of its time at which a job is told to save.
        max_num_timeout: how many times a job is queued again whose time was over.
        additional_parameters: other options of sbatch, such as ``{"mail-user": "me@here"}``.
        array_parallelism: jobs at a time at most.
        setup: commands that the script runs before the job.
    """

    partition: str | None = None
    qos: str | None = None
    comment: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None
    cpus_per_gpu: int | None = None
    gpus_per_task: int | None = None
    mem_per_gpu: str | None = None
    mem_per_cpu: str | None = None
    account: str | None = None
    signal_delay_s: int = 120
    max_num_timeout: int = 0
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    array_parallelism: int = 256
    setup: list[str] | None = None
