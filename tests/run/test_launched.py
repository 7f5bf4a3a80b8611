"""Runs whose processes a launcher started: torchrun, and the environment of srun on one machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from fastrun.storage.run_dir import RunDir

pytestmark = pytest.mark.slow
FULL = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
RUN = ["device=ddp", "device.accelerator=cpu", "data=synthetic", "data.samples=256", "data.shape=[1,8,8]",
       "data.noise=3", "model=mlp", "model.hidden=[16]", "norm=none", "optimizer=sgd", "batch.size=16", "epochs=2",
       "amp=off", "checkpoint.every=3", "speed.trial_seconds=0"]  # fmt: skip


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{folder}"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(folder: Path, *arguments: str, count: int = 2, options: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", "--master-port",
               str(free_port()), *options, "-m", "fastrun", *arguments]  # fmt: skip
    return started(command, folder, environment(folder))


def srun(
    folder: Path,
    *arguments: str,
    count: int = 2,
    folders: Sequence[Path] = (),
    program: Sequence[str] = ("-m", "fastrun"),
) -> list[subprocess.Popen[str]]:
    """The processes of a job step with the environment that srun gives them, each in a folder of its own if asked."""
    step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": str(count), "SLURM_STEP_NUM_NODES": "1",
            "SLURM_STEP_NODELIST": "localhost", "MASTER_PORT": str(free_port())}  # fmt: skip
    places = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(count)]
    command = [sys.executable, *program, *arguments]
    where = folders or [folder] * count
    return [started(command, path, environment(path) | step | place) for path, place in zip(where, places, strict=True)]


def started(command: list[str], folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environ, text=True, start_new_session=True, **pipes)


def ended(processes: Sequence[subprocess.Popen[str]], seconds: float = 120) -> list[tuple[int, str, str]]:
    outputs = [process.communicate(timeout=seconds) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def the_run(folder: Path, name: str = "train") -> Path:
    (run,) = folder.glob(f"outputs/{name}/*")
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"]


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["train/loss"] for line in lines if "train/loss" in line]


def test_torchrun_trains_one_run_whose_losses_are_those_of_one_process(folder: Path, new_process) -> None:
    ((code, out, err),) = ended([torchrun(folder, "train", *RUN)])
    assert code == 0, err
    assert out.count("run directory") == 1
    run = the_run(folder)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["heuristics"]["device"]["used"] == "2 x cpu"
    assert new_process("train", "name=alone", *[text for text in RUN if not text.startswith("device")]).returncode == 0
    assert losses(run) == pytest.approx(losses(the_run(folder, "alone")), rel=1e-4)


@pytest.mark.full
def test_the_tasks_of_a_step_of_slurm_find_each_other(folder: Path) -> None:
    results = ended(srun(folder, "train", *RUN))
    assert [code for code, _, _ in results] == [0, 0], results
    assert "run directory" in results[0][1]
    assert results[1][1:] == ("", "")
    assert json.loads((the_run(folder) / "summary.json").read_text())["hardware"]["count"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", *RUN, "-m", "seed=1,2"], "a sweep is started by one process, and srun started 2"),
        (["runs"], "fastrun runs is for one process, and srun started 2"),
        pytest.param(
            ["train", *RUN, "device.count=3"], "device.count=3: srun started 2 processes on each node", marks=FULL
        ),
        pytest.param(["train", "device=cpu"], "device=cpu is for one process, and srun started 2", marks=FULL),
        pytest.param(["train", "device=ddp", "optimizer=sdg"], "optimizer=sdg: no such option", marks=FULL),
    ],
)
def test_what_several_processes_cannot_do_is_told_once(folder: Path, arguments: list[str], message: str) -> None:
    results = ended(srun(folder, *arguments))
    assert [code for code, _, _ in results] == [2, 2], results
    assert message in results[0][2]
    assert results[1][2] == ""


OWN = """
import os
from pathlib import Path
from fastrun.components.data.synthetic import synthetic

def data(**given):
    if os.environ["SLURM_PROCID"] == "1":
        return own(**given)
    return synthetic(**given)

def own(**given):
    {}
"""


@pytest.mark.parametrize(
    ("own", "code", "said"),
    [
        ("return synthetic(**given | {'samples': 200})", 3, "it has other data than the first process: "),
        pytest.param(
            "raise FileNotFoundError('no data on this node')",
            3,
            "the data cannot be read: no data on this node",
            marks=FULL,
        ),
        pytest.param("os._exit(9)", 137, "process 1 has ended or cannot be reached", marks=FULL),
    ],
)
def test_a_process_without_the_data_ends_the_run_and_is_named(folder: Path, own: str, code: int, said: str) -> None:
    (folder / "mine.py").write_text(OWN.format(own))
    results = ended(srun(folder, "train", *RUN, "data._target_=mine.data"))
    assert results[0][0] == code
    assert said in results[0][2]
    assert "process 1" in results[0][2]
    assert results[0][2].count("\n") <= 2
    assert results[1][2] == ""
    assert [RunDir(run).status() for run in folder.glob("outputs/*/*")] == (["failed"] if code == 137 else [])


NET = """
from torch import nn

def net(in_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
"""


@pytest.mark.parametrize(
    ("rate", "code", "said"),
    [
        ("0.2", NET, "process 1 on {}: it has optimizer.lr=0.2, and the first process 0.1"),
        pytest.param(
            "0.1", f"{NET}# changed", "process 1 on {}: its mine is not that of the first process", marks=FULL
        ),
    ],
    ids=["config", "code"],
)
def test_a_process_with_another_config_or_other_code_is_refused(folder: Path, rate: str, code: str, said: str) -> None:
    for name, lr, text in (("one", "0.1", NET), ("other", rate, code)):
        (folder / name / "conf/optimizer").mkdir(parents=True)
        (folder / name / "conf/optimizer/mine.yaml").write_text(f"# Mine\n_target_: torch.optim.SGD\nlr: {lr}\n")
        (folder / name / "mine.py").write_text(text)
    run = [*RUN[:6], "batch.size=16", "model._target_=mine.net", "norm=none", "optimizer=mine", "amp=off"]
    results = ended(srun(folder, "train", *run, folders=[folder / "one", folder / "other"]))
    assert [result[0] for result in results] == [2, 2], results
    assert said.format(socket.gethostname()) in results[0][2]
    assert results[1][2] == ""
    assert list(folder.glob("*/outputs/*/*")) == []


ENDING = """
import os, signal
from pathlib import Path
import pytorch_lightning as pl

class End(pl.Callback):
    def __init__(self, rank, number, at=9):
        self.rank, self.number, self.at = rank, number, at
    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_rank == self.rank and module.state.step >= self.at and not Path("ended").exists():
            Path("ended").touch()
            if not self.number:
                raise ValueError("a bug of mine")
            os.kill(os.getpid(), self.number)
"""


def ending(folder: Path, rank: int, number: int) -> str:
    (folder / "mine.py").write_text(ENDING)
    return f"+callbacks.end={{_target_: mine.End, rank: {rank}, number: {number}}}"


@pytest.mark.full
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (0, 1, "process 1 on {} ended with exit code 1: ValueError: a bug of mine"),
        (signal.SIGKILL, 137, "process 1 has ended or cannot be reached: nothing was heard of it for "),
        (signal.SIGSTOP, 137, "process 1 has ended or cannot be reached: nothing was heard of it for "),
    ],
)  # fmt: skip
def test_a_process_that_ends_ends_the_run_which_goes_on_with_fewer(
    folder: Path, new_process, number: int, code: int, said: str
) -> None:
    processes = srun(folder, "train", *RUN, ending(folder, 1, number))
    first = ended(processes[:1])[0]
    processes[1].kill()
    ended(processes[1:])
    assert first[0] == code
    assert said.format(socket.gethostname()) in first[2]
    assert first[2].count("\n") <= 2
    run = the_run(folder)
    assert RunDir(run).status() == "failed"
    resumed = new_process("resume", str(run), "device.count=1")
    assert resumed.returncode == 0, resumed.stderr
    assert new_process("train", "name=alone", *[text for text in RUN if not text.startswith("device")]).returncode == 0
    assert losses(run) == pytest.approx(losses(the_run(folder, "alone")), rel=1e-3)


@pytest.mark.full
def test_a_first_process_that_is_killed_ends_the_others(folder: Path) -> None:
    results = ended(srun(folder, "train", *RUN, ending(folder, 0, signal.SIGKILL)))
    assert results[0][0] == -signal.SIGKILL
    assert results[1][0] == 137
    assert "process 0 has ended or cannot be reached" in results[1][2]
    assert RunDir(the_run(folder)).status() == "killed"


@pytest.mark.full
def test_a_signal_stops_all_processes_at_the_same_step_and_a_resumed_run_is_the_same(folder: Path) -> None:
    results = ended(srun(folder, "train", *RUN, "name=asked", ending(folder, 1, signal.SIGTERM)))
    assert [code for code, _, _ in results] == [143, 143], results
    assert "all of it saved" in results[0][2]
    run = the_run(folder, "asked")
    assert [code for code, _, _ in ended(srun(folder, "resume", str(run)))] == [0, 0]
    (whole,) = ended([torchrun(folder, "train", *RUN, "name=whole")])
    assert whole[0] == 0, whole
    other = weights(the_run(folder, "whole"))
    assert all(torch.equal(value, other[key]) for key, value in weights(run).items())


@pytest.mark.full
def test_torchrun_starts_the_processes_again_and_the_run_goes_on(folder: Path) -> None:
    ((code, out, err),) = ended(
        [torchrun(folder, "train", *RUN, ending(folder, 1, signal.SIGKILL), options=["--max-restarts=1"])]
    )
    assert code == 0, err
    assert "going on from step" in out
    assert RunDir(the_run(folder)).status() == "finished"
    assert len(losses(the_run(folder))) == 24


@pytest.mark.full
def test_a_run_of_two_processes_goes_on_with_four(folder: Path, new_process) -> None:
    results = ended(srun(folder, "train", *RUN, ending(folder, 0, signal.SIGTERM)))
    assert results[0][0] == 143
    run = the_run(folder)
    four = ended(srun(folder, "resume", str(run), count=4))
    assert [code for code, _, _ in four] == [0] * 4, four
    assert "the run had 2 processes and goes on with 4" in four[0][1]
    again = ended(srun(folder, "resume", str(run)))
    assert [(code, err) for code, _, err in again] == [(0, "")] * 2
    assert f"{run} is finished" in again[0][1]
    assert new_process("train", "name=alone", *[text for text in RUN if not text.startswith("device")]).returncode == 0
    assert losses(run) == pytest.approx(losses(the_run(folder, "alone")), rel=1e-3)


DYING = """
import os
import pytorch_lightning as pl

class Die(pl.Callback):
    def on_train_start(self, trainer, module):
        next(module.net.parameters()).register_hook(lambda gradient: self.count(trainer))
        self.steps = 0
    def count(self, trainer):
        self.steps += 1
        if trainer.global_rank == 1 and self.steps == 7 and not os.path.exists("died"):
            open("died", "x").close()
            os.kill(os.getpid(), 9)
"""


@FULL
@pytest.mark.parametrize("count", [2, 4])
def test_what_is_done_is_saved_when_another_process_dies_in_a_step(folder: Path, count: int) -> None:
    (folder / "mine.py").write_text(DYING)
    run = [*RUN, "model=resnet", "model.depth=8", "norm=batch", "checkpoint.every=1ep", "speed.steps_per_call=4"]
    run.remove("model.hidden=[16]")
    first, *_ = ended(srun(folder, "train", *run, "name=died", "+callbacks.die._target_=mine.Die", count=count))
    assert first[0] == 137
    assert "saved at step 6; train/loss from step 1 on is that of the first process's part" in first[1]
    died = the_run(folder, "died")
    assert first[2].endswith(f"hint: go on with: fastrun resume {died}\n")
    for command in (["resume", str(died)], ["train", *run, "name=whole"]):
        assert [code for code, _, _ in ended(srun(folder, *command, count=count))] == [0] * count
    whole = the_run(folder, "whole")
    ours, theirs = weights(died), weights(whole)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert losses(died)[6:] == losses(whole)[6:]


SCRIPT = """
import os, fastrun
for seed in range(2):
    run = fastrun.train([*{}, f"seed={{seed}}", f"name=mine{{seed}}"], quiet=True)
    print(os.environ["SLURM_PROCID"], run.directory.name, run.summary.get("steps"))
"""


@pytest.mark.full
def test_a_script_trains_one_run_after_the_other(folder: Path) -> None:
    (folder / "script.py").write_text(SCRIPT.format(RUN))
    first, second = ended(srun(folder, program=["script.py"]))
    assert (first[0], second[0]) == (0, 0), (first, second)
    names = [path.name for seed in range(2) for path in folder.glob(f"outputs/mine{seed}/*")]
    assert first[1].split() == ["0", names[0], "24", "0", names[1], "24"]
    assert second[1].split() == ["1", names[0], "None", "1", names[1], "None"]


@pytest.mark.full
def test_a_port_in_use_is_told(folder: Path, new_process) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        alone = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "MASTER_ADDR": "127.0.0.1"}
        done = new_process("train", *RUN, **alone, MASTER_PORT=str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: 127.0.0.1:{port} cannot be served: ")
    assert done.stderr.endswith("hint: set MASTER_PORT to a free port\n")


@pytest.mark.slow
def test_a_node_without_the_packed_data_is_named(folder: Path) -> None:
    pytest.importorskip("litdata")
    (folder / "verse.txt").write_text("Tyger Tyger, burning bright, in the forests of the night. " * 9)
    from fastrun.cli.main import main

    for name in ("one", "other"):
        (folder / name).mkdir()
    assert main(["data", "pack", str(folder / "verse.txt"), str(folder / "one/pack"), "--length=8"]) == 0
    run = ["data=stream", "data.root=pack", "model=lstm", "device=ddp", "device.count=2", "steps=2"]
    results = ended(srun(folder, "train", *run, folders=[folder / "one", folder / "other"]))
    assert [result[0] for result in results] == [3, 3], results
    assert "data.root=pack is not a folder" in results[0][2]
    assert "process 1" in results[0][2]
    assert list(folder.glob("*/outputs/*/*")) == []
