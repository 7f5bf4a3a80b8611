"""The place of this process among those that a launcher started: torchrun, SLURM's srun, MPI, or fastrun itself.

Each launcher tells its processes their place in environment variables of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastrun.errors import ConfigError

_PORT = 29_500  # torch's own default
_SLURM_PORTS = range(15_000, 32_000)  # one for each job and step: below those that Linux gives to connections


@dataclass(frozen=True)
class Place:
    """The place of a process among the processes of a run.

    Attributes:
        launcher: what started the processes: ``torchrun``, ``srun``, ``mpirun``, ``submitit``,
            ``the caller`` where each was started by hand, or ``fastrun``.
        rank: the number of this process, from 0.
        local_rank: its number among those on this node, from 0.
        world_size: the number of processes.
        local_size: the number of processes on each node.
        address: the name or the address of the node of the first process.
        port: a free port there.
        has_store: whether the launcher itself serves a key-value store of torch.distributed at that port.
        restart: how many times the launcher has started the processes again after one of them ended.
    """

    launcher: str
    rank: int
    local_rank: int
    world_size: int
    local_size: int
    address: str
    port: int
    has_store: bool = False
    restart: int = 0

    @property
    def nodes(self) -> int:
        """Return the number of nodes."""
        return self.world_size // self.local_size

    def environment(self) -> dict[str, str]:
        """Return the place as the environment variables that torchrun sets, and libraries read."""
        return {
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "GROUP_RANK": str(self.rank // self.local_size),
            "WORLD_SIZE": str(self.world_size),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
        }


def find_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place of this process; None if no launcher started it, or it started this process alone.

    Args:
        environment: the environment variables.

    Raises:
        ConfigError: a variable is missing or no number, or the nodes have different numbers of processes.
    """
    for find in (_of_torchrun, _of_lightning, _of_srun, _of_open_mpi, _of_mpich, _of_submitit):
        place = find(environment)
        if place is not None and place.world_size > 1:
            _check(place)
            return place
    return None


def _check(place: Place) -> None:
    if place.local_size < 1 or place.world_size % place.local_size:
        raise ConfigError(
            f"{place.launcher} started {place.world_size} processes, {place.local_size} of them on this node",
            "start as many on each node",
        )


def _of_torchrun(found: Mapping[str, str]) -> Place | None:
    if not {"RANK", "LOCAL_RANK", "WORLD_SIZE"} <= found.keys():
        return None
    number = _Numbers(found, "torchrun")
    size = number("WORLD_SIZE")
    return Place(
        "torchrun",
        number("RANK"),
        number("LOCAL_RANK"),
        size,
        number("LOCAL_WORLD_SIZE", size),
        number.text("MASTER_ADDR"),
        number("MASTER_PORT"),
        has_store=found.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        restart=number("TORCHELASTIC_RESTART_COUNT", 0),
    )


def _of_lightning(found: Mapping[str, str]) -> Place | None:
    """Return the place of a process that was started by hand, with the variables that Lightning reads."""
    if not {"NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"} <= found.keys():
        return None
    number = _Numbers(found, "whoever started this process")
    size, local_rank = number("WORLD_SIZE"), number("LOCAL_RANK")
    if size > 1 and not found.get("LOCAL_WORLD_SIZE"):
        raise ConfigError("LOCAL_WORLD_SIZE is not set", "set it to the number of processes on each node")
    local_size = number("LOCAL_WORLD_SIZE", size)
    rank, address = number("NODE_RANK") * local_size + local_rank, found.get("MASTER_ADDR", "127.0.0.1")
    return Place("the caller", rank, local_rank, size, local_size, address, number("MASTER_PORT", _PORT))


def _of_srun(found: Mapping[str, str]) -> Place | None:
    """Return the place in a step of SLURM; srun alone sets these names, while sbatch sets SLURM_NTASKS and more."""
    if not {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"} <= found.keys():
        return None
    number = _Numbers(found, "srun")
    size, nodes = number("SLURM_STEP_NUM_TASKS"), number("SLURM_STEP_NUM_NODES", 1)
    if size % nodes:
        raise ConfigError(f"srun started {size} processes on {nodes} nodes", "use --ntasks-per-node")
    step = number("SLURM_JOB_ID", 0) * 31 + number("SLURM_STEP_ID", 0)
    port = number("MASTER_PORT", _SLURM_PORTS[step % len(_SLURM_PORTS)])
    address = found.get("MASTER_ADDR") or first_host(number.text("SLURM_STEP_NODELIST"))
    return Place("srun", number("SLURM_PROCID"), number("SLURM_LOCALID"), size, size // nodes, address, port)


def first_host(hosts: str) -> str:
    """Return the first name in a list of nodes as SLURM writes it: ``node[07-09,12],login`` begins with ``node07``."""
    match = re.match(r"([^,\[]+)(?:\[(\w+))?", hosts)
    return "".join(match.groups("")) if match else hosts


def _of_open_mpi(found: Mapping[str, str]) -> Place | None:
    names = "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"
    return _of_mpi(found, names)


def _of_mpich(found: Mapping[str, str]) -> Place | None:
    return _of_mpi(found, ("PMI_RANK", "MPI_LOCALRANKID", "PMI_SIZE", "MPI_LOCALNRANKS"))


def _of_submitit(found: Mapping[str, str]) -> Place | None:
    """Return the place among the tasks of submitit on this machine; on a cluster submitit uses srun."""
    names = "SUBMITIT_LOCAL_GLOBALID", "SUBMITIT_LOCAL_LOCALID", "SUBMITIT_LOCAL_NTASKS"
    if not set(names) <= found.keys():
        return None
    number = _Numbers(found, "submitit")
    rank, local_rank, size = map(number, names)
    job = "".join(filter(str.isdigit, found.get("SUBMITIT_LOCAL_JOB_ID", ""))) or "0"
    return Place("submitit", rank, local_rank, size, size, "127.0.0.1", _SLURM_PORTS[int(job) % len(_SLURM_PORTS)])


def _of_mpi(found: Mapping[str, str], names: tuple[str, str, str, str]) -> Place | None:
    if not set(names) <= found.keys():
        return None
    number = _Numbers(found, "mpirun")
    rank, local_rank, size, local_size = map(number, names)
    is_here = local_size == size
    address = found.get("MASTER_ADDR", "127.0.0.1") if is_here else number.text("MASTER_ADDR")
    return Place("mpirun", rank, local_rank, size, local_size, address, number("MASTER_PORT", _PORT))


class _Numbers:
    """The environment variables of a launcher, with errors that name it."""

    def __init__(self, found: Mapping[str, str], launcher: str) -> None:
        self.found, self.launcher = found, launcher

    def text(self, name: str) -> str:
        value = self.found.get(name)
        if not value:
            raise ConfigError(f"{self.launcher} has not set {name}", f"set {name}")
        return value

    def __call__(self, name: str, default: int | None = None) -> int:
        value = self.found.get(name)
        if default is not None and not value:
            return default
        try:
            return int(self.text(name))
        except ValueError as error:
            raise ConfigError(f"{name}={value} is not a number", f"{self.launcher} sets it") from error
