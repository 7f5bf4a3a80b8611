"""The checks of ``gpu.py`` that need a run directory or another process: each returns what it found."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from checklist import Skip
from gpu_bench import STEPS, Bench, near, without
from torch import Tensor

import fastrun
from fastrun.cli.main import main as command_line
from fastrun.errors import Diverged
from fastrun.report.run import Run
from fastrun.training.builders.parts import Parts

KILL = """import os, signal, time
from pathlib import Path
import pytorch_lightning as pl
class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if "KILL_AT" not in os.environ or module.state.step < int(os.environ["KILL_AT"]):
            return
        for _ in range(300):
            if list((Path(trainer.default_root_dir) / "checkpoints").glob("*.json")):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.1)
        os._exit(3)
"""


def diverging_run(bench: Bench) -> str:
    """Let a run diverge on its whole path: the error, and what its directory says."""
    huge = [*bench.vectors(), "optimizer=sgd", "optimizer.lr=1e30", "steps=9"]
    try:
        bench.train("diverging", *huge)
    except Diverged as error:
        status = json.loads((bench.folder / "diverging/status.json").read_text())
        assert status["status"] == "diverged", status
        return error.message
    raise AssertionError("the run did not diverge")


def batch_auto(bench: Bench) -> str:
    """Let ``batch=auto`` choose, and train."""
    run = bench.train("auto", *without(bench.images(), "batch."), "batch=auto", "steps=4")
    return str(run.summary["heuristics"]["batch"]["used"])


def said(*arguments: str) -> str:
    """Return what a command line of fastrun prints, which ends without an error."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = command_line(list(arguments))
    assert code == 0, f"exit code {code}: {err.getvalue()}"
    return out.getvalue()


def moved_checkpoint(bench: Bench, first: str, second: str) -> str:
    """Train on one device, measure and go on on another."""
    if "gpu" in (first, second) and not bench.is_gpu:
        second = first = "cpu"
    name = f"moved-{first}-{second}"
    run = bench.train(name, *without(bench.images(), "device="), f"device={first}", "amp=off", "steps=6", "val_every=3")
    folder, there = str(run.directory), f"device.accelerator={second}"
    here = json.loads(said("eval", folder, "--split", "val", "--json"))["val/loss"]
    other = json.loads(said("eval", folder, "--split", "val", "--json", there))["val/loss"]
    assert math.isclose(here, other, rel_tol=0.02), (here, other)
    fastrun.load(run.directory)
    said("resume", folder, there, "steps=9")
    summary = json.loads((run.directory / "summary.json").read_text())
    assert summary["steps"] == 9
    wanted = "cuda" if second == "gpu" else "cpu"
    assert summary["hardware"]["device"].startswith(wanted), summary["hardware"]
    return f"val/loss {here:.5f} there, {other:.5f} here; resumed to step 9"


def exact_resume(bench: Bench, amp: str) -> str:
    """Kill a run between two checkpoints, resume it, and compare the weights with those of one left alone."""
    folder = bench.folder / f"exact-{amp}"
    folder.mkdir()
    (folder / "killer.py").write_text(KILL)
    plan = ["steps=12", "val_every=4", "checkpoint.every=4", "deterministic=true", "speed.steps_per_call=1"]
    plan.append(f"amp={amp}")
    train = ["train", *bench.images(), "augment=crop_flip", *plan, "+callbacks.kill._target_=killer.Kill"]
    environ = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONPATH": os.pathsep.join(sys.path)}

    def command(*arguments: str, **more: str) -> int:
        line = [sys.executable, "-m", "fastrun", *arguments]
        done = subprocess.run(line, cwd=folder, env=environ | more, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr[-500:]
        return done.returncode

    assert command(*train, "hydra.run.dir=alone") == 0
    assert command(*train, "hydra.run.dir=killed", KILL_AT="6") == -signal.SIGKILL
    last = max((folder / "killed/checkpoints").glob("*.ckpt")).name
    assert command("resume", "killed") == 0
    alone, killed = (newest_weights(folder / name) for name in ("alone", "killed"))
    different = [name for name in alone if not torch.equal(alone[name], killed[name])]
    assert not different, f"{len(different)} of {len(alone)} tensors differ, such as {different[0]}"
    return f"killed after {last}; {len(alone)} tensors are the same to the bit"


def newest_weights(run: Path) -> dict[str, Tensor]:
    """Return the weights of the newest checkpoint of a run."""
    newest = max((run / "checkpoints").glob("*.ckpt"))
    found: dict[str, Tensor] = torch.load(newest, map_location="cpu", weights_only=True)["state_dict"]
    return found


def one_process_ddp(bench: Bench) -> str:
    """Take steps through DistributedDataParallel in a group of one process; the weights must be the same."""
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    backend = "nccl" if bench.is_gpu else "gloo"
    weights = [taken_steps(bench.parts([*bench.vectors(), "steps=9"]), lambda net: net)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    distributed.init_process_group(backend, address, rank=0, world_size=1)
    try:
        weights.append(taken_steps(bench.parts([*bench.vectors(), "steps=9"]), DistributedDataParallel))
    finally:
        distributed.destroy_process_group()
    difference = max(float((one - other).abs().max()) for one, other in zip(*weights, strict=True))
    assert difference < 1e-5, f"weights differ by {difference:.2g}"
    return f"{backend}: weights differ by {difference:.1g} after 5 steps"


def taken_steps(parts: Parts, wrap: Callable[[Any], Any]) -> list[Tensor]:
    """Return the weights after some steps with a wrapped network."""
    wrapped = wrap(parts.net)
    stepper = replace(parts, net=wrapped).build_stepper()
    for step, (x, y) in enumerate(islice(parts.loaders.train.batches(0), 5)):
        stepper.step(step, (x, y))
    return [weight.detach().cpu() for weight in parts.net.parameters()]


def logged_losses(run: Run) -> list[float]:
    """Return the losses that a run wrote."""
    lines = map(json.loads, (run.directory / "metrics.jsonl").read_text().splitlines())
    return [line["train/loss"] for line in lines if "train/loss" in line]


def offloaded(bench: Bench) -> str:
    """Train with weights, gradients and the optimizer's state in the memory of the host."""
    if not bench.is_gpu:
        raise Skip("there is no GPU to offload from")
    plan = [*without(bench.images(), "device="), f"steps={STEPS}", "amp=off"]
    whole = bench.train("whole", *plan, bench.option)
    divided = bench.train("offloaded", *plan, "device=fsdp", "device.count=1", "device.offload=true")
    apart = near(logged_losses(divided), logged_losses(whole), 1e-3)
    fastrun.resume(divided.directory, [f"steps={STEPS + 4}"], quiet=True)
    return f"losses within {apart:.2g} of those on the GPU, and resumed"


def hub_networks(bench: Bench) -> str:
    """Train a network of transformers in bf16, and adapters on it."""
    if not all(map(find_spec, ("transformers", "peft"))):
        raise Skip("transformers and peft are not installed, with or without a GPU")
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    data = ["data=synthetic", "data.shape=[3,16,16]", "data.samples=320", "batch.size=32", "steps=8"]
    network = ["model=hf", "model.type=vit", "+model.patch_size=4", *(f"+model.{key}={n}" for key, n in size.items())]
    body = bench.train("hf", *data, *network, "amp=bf16", bench.option)
    lora = ["transfer=lora", f"transfer.source={body.directory}"]
    adapted = bench.train("lora", *data, *network, "amp=bf16", bench.option, *lora)
    losses = [*logged_losses(body), *logged_losses(adapted)]
    assert all(map(math.isfinite, losses)), losses
    return f"losses {losses[0]:.3f} to {losses[-1]:.3f}, {len(losses)} steps"


def two_gpus(bench: Bench) -> str:
    """Train in two processes, on the path of ``fastrun train device=ddp``."""
    if bench.is_gpu and torch.cuda.device_count() < 2:
        raise Skip("there is one GPU")
    ddp = ["device=ddp", "device.count=2", f"device.accelerator={'gpu' if bench.is_gpu else 'cpu'}"]
    run = bench.train("ddp", *without(bench.images(), "device="), *ddp, "steps=6", "amp=off")
    assert run.summary["steps"] == 6
    return f"{run.summary['hardware']['count']} processes"
