"""What a step costs in several processes on the CPU: fastrun under torchrun beside plain DistributedDataParallel.

    python benchmarks/ddp.py [--processes N] [--steps N] [--rounds N]

resnet8 on synthetic 3x32x32, a batch of 128 shared by the processes, which talk by gloo and share the cores.
Both train the same network with the same optimizer settings and schedule, in fresh processes each round; of twice the
steps the second half counts.

Claim: fastrun takes at most 1.03 of the time of the plain loop.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from attempt import halves, seconds_of_second_half
from measure import claim, in_turn, machine, parser, show
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel
from twin import twin

from fastrun.compose import compose
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders import data

DATA = ("data=synthetic", "data.val_fraction=0.02", "data.test_fraction=0.01", "batch.size=128", "amp=off")
NETWORK = ("model=resnet", "model.depth=8", "model.width=16", "optimizer=nesterov", "schedule=onecycle")
FIXED = (*DATA, *NETWORK, "checkpoint=none")


def fastrun(steps: int, processes: int) -> float:
    """Return milliseconds a step of ``fastrun train`` under torchrun."""
    plan = (f"steps={2 * steps}", f"val_every={steps}", "device=ddp", "device.accelerator=cpu")
    launch = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={free_port()}"]
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as outputs:
        command = [sys.executable, *launch, "-m", "fastrun", "train", *FIXED, *plan, f"outputs={outputs}"]
        subprocess.run(command, check=True, capture_output=True)
        (run,) = Path(outputs).glob("*/*")
        return 1e3 * seconds_of_second_half(RunDir(run).lines()) / steps


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain(steps: int, processes: int) -> float:
    """Return milliseconds a step of the loop below."""
    with tempfile.NamedTemporaryFile() as result:
        spawn(loop, (steps, processes, free_port(), result.name), nprocs=processes)
        return 1e3 * float(json.loads(Path(result.name).read_text())) / steps


def loop(rank: int, steps: int, processes: int, port: int, result: str) -> None:
    """Train as one of the processes; the first writes the seconds of the second half down."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    settings = halves(compose([*FIXED, "device=cpu"]), steps)
    parts = twin(settings, data.load_splits(settings))
    net = DistributedDataParallel(parts.net)
    start = perf_counter()
    for step, chosen in zip(range(2 * steps), parts.data.indices(), strict=False):
        if step == steps:
            distributed.barrier()
            start = perf_counter()
        mine = chosen.chunk(processes)[rank]
        x, y = parts.data.floats(parts.data.x.index_select(0, mine)), parts.data.y.index_select(0, mine)
        for group in parts.optimizer.param_groups:
            group["lr"] = parts.rate * parts.curve(step)
        parts.loss(net(x), y).backward()
        parts.optimizer.step()
        parts.optimizer.zero_grad()
    distributed.barrier()
    if rank == 0:
        Path(result).write_text(json.dumps(perf_counter() - start))
    distributed.destroy_process_group()


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    made.add_argument("--steps", type=int, default=30, help="timed a round (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(torch.device("cpu"))
    how = asked.steps, asked.processes
    contestants = {"fastrun": partial(fastrun, *how), "plain": partial(plain, *how)}
    values = in_turn(contestants, asked.rounds)
    show(f"step of resnet8 in {asked.processes} processes, batch 128", values, "plain", "ms a step")
    claim(values, "fastrun", "plain", "at most 1.03")


if __name__ == "__main__":
    main()
