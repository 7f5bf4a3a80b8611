"""The place of a process among those of a launcher, from the environment variables that the launchers set."""

from __future__ import annotations

import pytest

from fastrun.errors import ConfigError
from fastrun.system.place import Place, find_place, first_host

TORCHRUN = {
    "RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "GROUP_RANK": "1",
    "MASTER_ADDR": "node-a", "MASTER_PORT": "29400", "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2",
}  # fmt: skip
SRUN = {
    "SLURM_JOB_ID": "1234", "SLURM_NTASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_STEP_NODELIST": "gpu[03-04]",
}  # fmt: skip
SBATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "MASTER_ADDR": "10.0.0.1",
}  # fmt: skip
MPICH = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
BY_HAND = {
    "NODE_RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.1",
}  # fmt: skip
SUBMITIT = {
    "SUBMITIT_LOCAL_JOB_ID": "4321", "SUBMITIT_LOCAL_NTASKS": "2", "SUBMITIT_LOCAL_GLOBALID": "1",
    "SUBMITIT_LOCAL_LOCALID": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        (TORCHRUN, Place("torchrun", 5, 1, 8, 4, "node-a", 29400, has_store=True, restart=2)),
        (SRUN, Place("srun", 3, 1, 4, 2, "gpu03", 15_000 + 1234 * 31 % 17_000)),
        (SRUN | {"MASTER_ADDR": "a", "MASTER_PORT": "7"}, Place("srun", 3, 1, 4, 2, "a", 7)),
        (OPEN_MPI, Place("mpirun", 3, 1, 4, 2, "10.0.0.1", 29500)),
        (MPICH, Place("mpirun", 1, 1, 2, 2, "127.0.0.1", 29500)),
        (BY_HAND, Place("the caller", 3, 1, 4, 2, "10.0.0.1", 29500)),
        (SUBMITIT, Place("submitit", 1, 1, 2, 2, "127.0.0.1", 15_000 + 4321)),
        (TORCHRUN | SRUN, Place("torchrun", 5, 1, 8, 4, "node-a", 29400, has_store=True, restart=2)),
    ],
    ids=[
        "torchrun",
        "srun",
        "srun with an address",
        "mpirun",
        "one node of mpich",
        "by hand",
        "submitit",
        "torchrun under srun",
    ],
)
def test_each_launcher_tells_a_process_its_place(environment, place: Place) -> None:
    assert find_place(environment) == place
    assert find_place(place.environment()) is not None


@pytest.mark.parametrize(
    "environment",
    [{}, SBATCH, {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0", "LOCAL_WORLD_SIZE": "1"}, {"LOCAL_RANK": "1"}],
    ids=["none", "the batch script itself", "one process", "a part"],
)
def test_a_process_that_is_alone_has_no_place(environment) -> None:
    assert find_place(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (TORCHRUN | {"RANK": "first"}, "RANK=first is not a number"),
        ({**TORCHRUN, "MASTER_ADDR": ""}, "torchrun has not set MASTER_ADDR"),
        ({key: value for key, value in BY_HAND.items() if key != "LOCAL_WORLD_SIZE"}, "LOCAL_WORLD_SIZE is not set"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "3"}, "torchrun started 8 processes, 3 of them on this node"),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "5"}, "srun started 5 processes on 2 nodes"),
        ({key: value for key, value in OPEN_MPI.items() if key != "MASTER_ADDR"}, "mpirun has not set MASTER_ADDR"),
    ],
)
def test_a_place_that_cannot_be_is_refused(environment, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_place(environment)


@pytest.mark.parametrize(
    ("hosts", "first"),
    [("gpu[03-04,9]", "gpu03"), ("a-1,b-2", "a-1"), ("node7", "node7"), ("n[5,7-9]", "n5"), ("r1n[10-12],x", "r1n10")],
)
def test_the_first_node_of_a_list_is_found(hosts: str, first: str) -> None:
    assert first_host(hosts) == first
