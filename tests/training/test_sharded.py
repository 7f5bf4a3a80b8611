"""Weights that are divided among processes (device=fsdp): the run of one process, in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.distributed.tensor import DTensor

from fastrun.components.blocks import blocks
from fastrun.components.device.shards import Shards
from fastrun.components.optimizer.elementwise import is_elementwise
from fastrun.components.optimizer.muon import muon
from fastrun.components.pipeline.evaluation import same_count
from fastrun.errors import CheckpointError, ConfigError
from fastrun.storage.checkpoint.load import load
from fastrun.storage.run_dir import RunDir

FULL = pytest.mark.full
TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 40
GPT = ["data=text", "data.root=text.txt", "data.length=16", "model=gpt", "model.width=16", "model.depth=2", "amp=off",
       "model.heads=2", "batch.size=8", "steps=12", "val_every=6", "checkpoint.every=4", "clip=norm", "clip.max=0.5",
       "ema=ema", "ema.decay=0.9", "speed.steps_per_call=1"]  # fmt: skip
KILL = """
import os
import signal
import pytorch_lightning as pl

class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step == 9 and trainer.global_rank == 1 and not os.path.exists("killed"):
            open("killed", "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
"""


def fsdp(processes: int) -> list[str]:
    return ["device=fsdp", "device.accelerator=cpu", f"device.count={processes}"]


def only(folder: Path, name: str) -> Path:
    (run,) = folder.glob(f"outputs/{name}/*")
    return run


@pytest.mark.slow
def test_losses_and_evaluations_are_those_of_one_process(folder: Path, new_process, lines) -> None:
    (folder / "text.txt").write_text(TEXT)
    for name, more in {"one": ["device=cpu"], "two": fsdp(2)}.items():
        done = new_process("train", *GPT, *more, f"name={name}")
        assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stdout
    one, two = (lines(only(folder, name)) for name in ("one", "two"))
    for alone, divided in zip(one, two, strict=True):
        for key in {"train/loss", "val/loss", "train/grad_norm"} & alone.keys():
            assert divided[key] == pytest.approx(alone[key], abs=1e-5)
    measured = json.loads(new_process("eval", str(only(folder, "two")), "--split", "val", "--json").stdout)
    last = next(line for line in reversed(two) if "val/loss" in line)
    assert measured["val/loss"] == pytest.approx(last["val/loss"], abs=1e-5)


@FULL
def test_a_killed_run_goes_on_to_the_bit(folder: Path, new_process) -> None:
    (folder / "text.txt").write_text(TEXT)
    (folder / "kill.py").write_text(KILL)
    for name, more in {"one": ["device=cpu"], "two": fsdp(2)}.items():
        done = new_process("train", *GPT, *more, f"name={name}")
        assert done.returncode == 0, done.stderr
    assert new_process("train", *GPT, *fsdp(2), "name=killed", "+callbacks.kill._target_=kill.Kill").returncode
    killed = only(folder, "killed")
    assert new_process("resume", str(killed)).returncode == 0
    weights = [load(RunDir(only(folder, name)).newest_good()[0].path) for name in ("one", "two", "killed")]
    for name, tensor in weights[1]["state_dict"].items():
        assert torch.equal(tensor, weights[2]["state_dict"][name]), name
        if not name.endswith("qkv.bias"):  # the keys' has no gradient but rounding errors, which Adam scales up
            assert torch.allclose(tensor, weights[0]["state_dict"][name], atol=1e-5), name
    for one in weights[:2]:
        assert len(one["fastrun"]["average"]["tensors"]) == 28

    pruned = new_process("prune", "--status", "finished", "--checkpoints-only", "--yes")
    assert pruned.returncode == 0, pruned.stderr


@pytest.mark.full
def test_any_number_of_processes_goes_on_with_parts(folder: Path, new_process, lines) -> None:
    (folder / "text.txt").write_text(TEXT)
    done = new_process("train", *GPT, "device=cpu", "steps=24", "schedule=constant", "name=one")
    assert done.returncode == 0, done.stderr
    expected = [line["train/loss"] for line in lines(only(folder, "one")) if "train/loss" in line]
    assert new_process("train", *GPT, *fsdp(4), "schedule=constant", "name=many").returncode == 0
    many = only(folder, "many")
    for more in (["device.count=1"], ["device.count=2"], ["device.kind=ddp"], ["device.kind=fsdp", "device.count=4"]):
        steps = 3 + RunDir(many).newest_good()[0].step
        done = new_process("resume", str(many), f"steps={steps}", *more)
        assert done.returncode == 0, done.stderr
    found = [line["train/loss"] for line in lines(many) if "train/loss" in line]
    assert found == pytest.approx(expected, abs=1e-4)


@FULL
def test_a_part_that_is_missing_or_damaged_is_found(folder: Path, new_process) -> None:
    (folder / "text.txt").write_text(TEXT)
    assert new_process("train", *GPT, *fsdp(2), "steps=4").returncode == 0
    (saved, *_) = RunDir(only(folder, "train")).saved_checkpoints()
    first, second = sorted(saved.path.glob("*.safetensors"))
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    assert not saved.is_good()
    second.unlink()
    with pytest.raises(CheckpointError, match="a file is missing"):
        load(saved.path)
    first.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(saved.path)


@FULL
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["optimizer=muon"], "optimizer=muon takes whole weights"),
        pytest.param(["clip=agc"], "clip=agc takes the norms of whole weights", marks=FULL),
        pytest.param(["speed.channels_last=true"], "speed.channels_last=true: device=fsdp divides", marks=FULL),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_takes_whole_weights_is_refused(folder: Path, new_process, given: list[str], message: str) -> None:
    (folder / "text.txt").write_text(TEXT)
    done = new_process("train", *GPT, *fsdp(2), *given)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(folder.glob("outputs/*/*"))


@pytest.mark.slow
def test_without_a_gpu_there_is_nothing_to_offload_from(folder: Path, new_process) -> None:
    done = new_process("train", "data=synthetic", *fsdp(1), "device.offload=true")
    assert done.returncode == 2
    assert "device.offload=true keeps weights off the GPU between uses, and this run has none" in done.stderr
    assert not list(folder.glob("outputs/*/*"))


def test_parts_on_the_host_take_the_steps_of_whole_weights() -> None:
    def net() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))

    whole, divided = net(), net()
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        shards = Shards(divided, torch.device("cpu"), offload=True)
        optimizers = [torch.optim.AdamW(one.parameters(), lr=0.1) for one in (whole, divided)]
        shards.take_over(optimizers[1])
        for step in range(3):
            x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
            for one in (whole, divided):
                one(x).square().mean().backward()
            shards.collect_gradients()
            norm = nn.utils.clip_grad_norm_(whole.parameters(), 0.1)
            assert torch.allclose(shards.clip_by_norm(shards.parts, 0.1), norm)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
        content = {"state_dict": {f"net.{name}": weight for name, weight in whole.state_dict().items()}}
        placed = shards.localize(content)["state_dict"]
        other = shards.localize({"state_dict": {"net.2.bias": torch.ones(1)}})["state_dict"]["net.2.bias"]
    finally:
        distributed.destroy_process_group()
    for one, part in zip(whole.parameters(), shards.parts, strict=True):
        assert torch.allclose(one, part, atol=1e-6)
    assert other.shape == (1,)  # of another network: loading refuses it by its name
    assert isinstance(placed["net.0.weight"], DTensor)
    assert torch.equal(placed["net.0.weight"].to_local(), whole[0].weight)


def build(kind: type[torch.optim.Optimizer], **values: object):
    return lambda net: kind(net.parameters(), **values)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad])
def test_optimizers_that_take_each_element_by_itself(kind: type[torch.optim.Optimizer]) -> None:
    assert is_elementwise(build(kind, lr=0.1))


def test_optimizers_that_take_whole_matrices() -> None:
    assert not is_elementwise(build(torch.optim.Adafactor, lr=0.1))
    assert not is_elementwise(lambda net: muon(net))


def test_the_blocks_of_a_network_are_the_members_of_its_lists() -> None:
    layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)) for _ in range(3))
    net = nn.Module()
    net.layers, net.head = layers, nn.Linear(8, 2)
    assert blocks(net) == [linear for layer in layers for linear in layer]
    assert blocks(nn.Linear(8, 8)) == []


@pytest.mark.parametrize(("size", "samples", "processes"), [(8, 17, 2), (64, 1000, 3), (2, 7, 2), (5, 21, 4)])
def test_all_processes_evaluate_as_many_batches(size: int, samples: int, processes: int) -> None:
    chosen = same_count(size, samples, processes)
    shares = [len(range(rank, samples, processes)) for rank in range(processes)]
    assert len({-(-share // chosen) for share in shares}) == 1
    assert size / 2 <= chosen <= size


def test_samples_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 samples cannot be divided among 2 processes"):
        same_count(4, 1, 2)
