"""What dividing a network's weights costs and saves, in processes on the CPU, beside the models of docs/scale.md.

    python benchmarks/scale.py step|memory|checkpoint|model [--processes N] [--steps N] [--rounds N]

A GPT on a text of random letters; the processes talk by gloo and share the cores.

- ``step``: fastrun beside a plain loop with ``fully_shard``, of the same network, optimizer settings and schedule, in
  fresh processes each round; of twice the steps the second half counts.
- ``memory``: the most memory that a process takes for weights, gradients, optimizer and activations, beside one process
  alone, and beside the model of ``docs/scale.md``. What a process takes for a tiny network is subtracted.
- ``model``: the bytes of activations that autograd keeps, the bytes that a step sends, and the seconds of a step, each
  beside the models of ``docs/scale.md``.
- ``checkpoint``: the seconds that training waits for a checkpoint of 200 MB, beside PyTorch's own asynchronous one.

Claims: a step takes at most 1.05 of the plain loop's; two processes take at most 0.6 of the memory of one alone each,
and within 15 % of the model's; training waits at most 1.05 of the time that it waits for PyTorch's own checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from attempt import halves, seconds_of_second_half
from ddp import free_port
from measure import Values, claim, in_turn, machine, parser, ratio, show
from scale_model import Gpt, activation_bytes, peak_bytes, step_flops, traffic_bytes
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import spawn
from twin import twin

from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders import data
from fastrun.training.builders.parts import build_parts
from fastrun.training.builders.setup import set_up

LENGTH, BATCH = 64, 8
STEP = Gpt(width=128, depth=4, length=LENGTH, vocabulary=26, batch=BATCH)
LARGE = Gpt(width=512, depth=8, length=LENGTH, vocabulary=26, batch=4)
TINY = Gpt(width=8, depth=1, length=LENGTH, vocabulary=26, batch=4)
PEAK = """
import re
import pytorch_lightning as pl

class Peak(pl.Callback):
    def on_train_end(self, trainer, module):
        status = open("/proc/self/status").read()
        with open(f"peak-{trainer.global_rank}", "w") as file:
            file.write(re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


def overrides(network: Gpt, text: Path) -> list[str]:
    size = [f"model.width={network.width}", f"model.depth={network.depth}", f"batch.size={network.batch}"]
    fixed = ["model=gpt", *size, "amp=off", "checkpoint=none", "speed.threads=1"]
    return ["data=text", f"data.root={text}", f"data.length={network.length}", *fixed]


def random_text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=200_000)))
    return path


def device(processes: int) -> list[str]:
    return ["device=fsdp", "device.accelerator=cpu", f"device.count={processes}"] if processes > 1 else ["device=cpu"]


def train(folder: Path, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "fastrun", "train", *arguments, f"outputs={folder / 'outputs'}"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)


def fastrun_step(steps: int, processes: int) -> float:
    """Return milliseconds a step of ``fastrun train``."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        plan = (f"steps={2 * steps}", f"val_every={steps}", "data.val_fraction=0.01")
        train(folder, *overrides(STEP, random_text(folder)), *plan, *device(processes))
        (run,) = folder.glob("outputs/*/*")
        return 1e3 * seconds_of_second_half(RunDir(run).lines()) / steps


def plain_step(steps: int, processes: int) -> float:
    """Return milliseconds a step of the loop below."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        result = Path(name) / "result"
        spawn(loop, (steps, processes, free_port(), str(random_text(Path(name))), str(result)), nprocs=processes)
        return 1e3 * float(json.loads(result.read_text())) / steps


def loop(rank: int, steps: int, processes: int, port: int, text: str, result: str) -> None:
    """Train as one of the processes; the first writes the seconds of the second half down."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    settings = halves(compose([*overrides(STEP, Path(text)), "device=cpu"]), steps)
    parts = twin(settings, data.load_splits(settings))
    divide(parts.net)
    kind = type(parts.optimizer)
    groups = parts.optimizer.param_groups
    weights = list(parts.net.parameters())
    decayed = [weight for weight in weights if weight.ndim > 1]
    rest = [weight for weight in weights if weight.ndim <= 1]
    how = {"lr": groups[0]["lr"], "betas": groups[0]["betas"], "fused": groups[0]["fused"]}
    optimizer = kind([{"params": decayed, "weight_decay": groups[0]["weight_decay"]}, {"params": rest}], **how)
    start = perf_counter()
    for step, chosen in zip(range(2 * steps), parts.data.indices(), strict=False):
        if step == steps:
            distributed.barrier()
            start = perf_counter()
        mine = chosen.chunk(processes)[rank]
        x, y = parts.data.x.index_select(0, mine), parts.data.y.index_select(0, mine)
        for group in optimizer.param_groups:
            group["lr"] = parts.rate * parts.curve(step)
        parts.loss(parts.net(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    distributed.barrier()
    if rank == 0:
        Path(result).write_text(json.dumps(perf_counter() - start))
    distributed.destroy_process_group()


def divide(net: nn.Module) -> None:
    for block in net.blocks:  # type: ignore[union-attr]
        fully_shard(block)
    fully_shard(net)


def peak(network: Gpt, processes: int) -> float:
    """Return the most memory of a process of a short run, in bytes."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        (folder / "peak.py").write_text(PEAK)
        more = ("steps=4", "data.val_fraction=0.01", "data.test_fraction=0", "+callbacks.peak._target_=peak.Peak")
        train(folder, *overrides(network, random_text(folder)), *more, *device(processes))
        return max(1024.0 * int(path.read_text()) for path in folder.glob("peak-*"))


def needed(processes: int) -> float:
    """Return the bytes that the large network takes in each process."""
    return peak(LARGE, processes) - peak(TINY, processes)


def checkpoints(processes: int, rounds: int) -> Values:
    """Return the seconds that training waits for a checkpoint of each kind, one a round."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        spawn(waits, (processes, free_port(), rounds, name), nprocs=processes)
        return dict(json.loads((Path(name) / "result").read_text()))


def waits(rank: int, processes: int, port: int, rounds: int, folder: str) -> None:
    """Save by turns as one of the processes; the first writes the seconds down."""
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import async_save

    from fastrun.components.device.shards import Shards
    from fastrun.storage.checkpoint.sharded_io import ShardedCheckpointIO
    from fastrun.storage.checkpoint.state import CheckpointState

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=processes)
    net = nn.Sequential(*(nn.Linear(2048, 2048) for _ in range(4)))
    shards = Shards(net, torch.device("cpu"))
    optimizer = torch.optim.AdamW(net.parameters())
    shards.take_over(optimizer)
    for part in shards.parts:
        part.grad = torch.ones_like(part)
    optimizer.step()
    writer, group = ShardedCheckpointIO(), distributed.new_group(backend="gloo")
    assert isinstance(group, distributed.ProcessGroup)

    def content() -> dict[str, object]:
        found: dict[str, object] = {
            "state_dict": {f"net.{name}": value for name, value in net.state_dict().items()},
            "optimizer_states": [optimizer.state_dict()],
        }
        CheckpointState({"step": 1}, processes, {}, {}, {}, {}).put_into(found)
        return shards.globalize(found)

    def ours() -> float:
        distributed.barrier()
        begin = perf_counter()
        writer.save_checkpoint(content(), Path(folder) / "ours.ckpt")
        seconds = perf_counter() - begin
        writer.wait()
        return seconds

    def plain() -> float:
        distributed.barrier()
        begin = perf_counter()
        pending = async_save(content(), storage_writer=FileSystemWriter(Path(folder) / "plain"), process_group=group)
        seconds = perf_counter() - begin
        pending.result()  # type: ignore[union-attr]
        return seconds

    values = in_turn({"fastrun": ours, "plain": plain}, rounds + 1)
    if rank == 0:
        (Path(folder) / "result").write_text(json.dumps({name: found[1:] for name, found in values.items()}))
    distributed.destroy_process_group()


def kept_bytes(network: Gpt, *more: str) -> int:
    """Return the bytes that autograd keeps of a forward pass, but for weights."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        settings = compose([*overrides(network, random_text(Path(name))), "device=cpu", *more])
        setup = set_up(settings)
        stepper = build_parts(settings, setup, Resolved({}, is_silent=True)).build_stepper()
    weights = {weight.untyped_storage().data_ptr() for weight in stepper.net.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    tokens = torch.zeros(network.batch, network.length, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = stepper.forward((tokens, tokens))
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


def check_activations() -> None:
    """Compare the bytes that blocks keep with the model: those of six blocks without those of two."""
    for name, more, low, redone in (
        ("float32", ("amp=off",), False, False),
        ("float32, checkpointing", ("amp=off", "speed.checkpointing=true"), False, True),
    ):
        deep, flat = (replace(STEP, depth=depth) for depth in (6, 2))
        measured = kept_bytes(deep, *more) - kept_bytes(flat, *more)
        model = activation_bytes(deep, 1, low, redone) - activation_bytes(flat, 1, low, redone)
        print(f"  activations of 4 blocks, {name}: {measured / 1e6:.2f} MB, {measured / model:.3f} of the model")


def check_traffic(processes: int) -> None:
    """Compare the bytes that processes send over the loopback interface in a step with the model."""
    for divided in (False, True):
        sent = [sent_bytes(steps, processes, divided) for steps in (10, 60)]
        measured = (sent[1] - sent[0]) / 50 / processes
        model = traffic_bytes(STEP, processes, divided, by_gloo=True)
        how = "fsdp" if divided else "ddp"
        print(f"  traffic of a step, {how}: {measured / 1e6:.2f} MB a process, {measured / model:.3f} of the model")


def sent_bytes(steps: int, processes: int, divided: bool) -> int:
    """Return the bytes that this machine sends to itself while a run takes some steps."""
    how = ["device=fsdp" if divided else "device=ddp", "device.accelerator=cpu", f"device.count={processes}"]
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        before = loopback_bytes()
        plan = (f"steps={steps}", f"val_every={steps}", "data.val_fraction=0.001", "data.test_fraction=0")
        train(folder, *overrides(STEP, random_text(folder)), *plan, *how)
        return loopback_bytes() - before


def loopback_bytes() -> int:
    (line,) = (line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[9])


def check_seconds(steps: int, rounds: int) -> None:
    """Predict the seconds of a step of larger networks from a small one's, by their operations."""
    small, *larger = (replace(STEP, width=256, depth=2), replace(STEP, width=256, depth=6), replace(STEP, width=384))
    values = in_turn({str(net): partial(alone, net, steps) for net in (small, *larger)}, rounds)
    for net in larger:
        predicted = step_flops(net) / step_flops(small)
        measured = ratio(values, str(net), str(small))
        name = f"width {net.width}, depth {net.depth}"
        print(f"  a step of {name}: {measured:.2f} of the small one's, {measured / predicted:.3f} of the model")


def alone(network: Gpt, steps: int) -> float:
    """Return milliseconds a step of one process."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        plan = (f"steps={2 * steps}", f"val_every={steps}", "data.val_fraction=0.01")
        train(folder, *overrides(network, random_text(folder)), *plan, "device=cpu")
        (run,) = folder.glob("outputs/*/*")
        return 1e3 * seconds_of_second_half(RunDir(run).lines()) / steps


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("what", choices=["step", "memory", "checkpoint", "model"])
    made.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    made.add_argument("--steps", type=int, default=30, help="timed a round (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(torch.device("cpu"))
    several = f"{asked.processes} processes"
    if asked.what == "step":
        how = asked.steps, asked.processes
        contestants = {"fastrun": partial(fastrun_step, *how), "plain": partial(plain_step, *how)}
        values = in_turn(contestants, asked.rounds)
        show(f"step of a GPT in {several}, batch {BATCH}", values, "plain", "ms a step")
        claim(values, "fastrun", "plain", "at most 1.05")
    elif asked.what == "memory":
        values = in_turn({several: partial(needed, asked.processes), "one": partial(needed, 1)}, asked.rounds)
        show(f"memory of a GPT of {LARGE.parameters / 1e6:.1f} M weights", values, "one", "bytes a process")
        claim(values, several, "one", "at most 0.6")
        for name, processes in {several: asked.processes, "one": 1}.items():
            model = peak_bytes(LARGE, processes)
            print(f"  {name} / model: {median(values[name]) / model:.3f} (should be 0.85 to 1.15)")
    elif asked.what == "model":
        print("\nmeasured beside the model (should be 0.85 to 1.15)")
        check_activations()
        check_traffic(asked.processes)
        check_seconds(asked.steps, asked.rounds)
    else:
        values = checkpoints(asked.processes, asked.rounds)
        show("training waits for a checkpoint of 200 MB", values, "plain", "s")
        claim(values, "fastrun", "plain", "at most 1.05")


if __name__ == "__main__":
    main()
