"""What a held body does and does not do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import fastrun
from fastrun.cli.main import main
from fastrun.components.model.resnet import resnet
from fastrun.components.norm.layers import batch
from fastrun.components.transfer.frozen import FrozenBody
from fastrun.components.transfer.source import weights_in

pytestmark = pytest.mark.slow


def small() -> nn.Sequential:
    return resnet((1, 8, 8), 3, 8, 4, norm=batch)  # type: ignore[return-value]


def backward(net: nn.Module) -> None:
    net(torch.randn(4, 1, 8, 8)).square().mean().backward()


def test_a_held_body_has_no_gradients_and_keeps_its_statistics() -> None:
    net = small()
    FrozenBody(net, 5).freeze()
    before = {name: value.clone() for name, value in net.named_buffers()}
    backward(net)
    with_gradient = [name for name, weight in net.named_parameters() if weight.grad is not None]
    assert with_gradient == ["7.weight", "7.bias"]
    assert all(torch.equal(before[name], value) for name, value in net.named_buffers())


def test_gradients_that_have_to_be_computed_are_dropped() -> None:
    net = small()
    frozen = FrozenBody(net, 5)
    counted: list[int] = []

    def spy(loss: Tensor) -> None:
        loss.backward()
        counted.append(sum(weight.grad is not None for weight in net.parameters()))

    frozen.freeze_distributed(spy)(net(torch.randn(4, 1, 8, 8)).square().mean())
    assert counted == [len(list(net.parameters()))]
    assert [name for name, weight in net.named_parameters() if weight.grad is not None] == ["7.weight", "7.bias"]


def test_a_released_body_trains_but_for_what_was_frozen_before() -> None:
    net = small()
    net[0][0].weight.requires_grad_(False)
    frozen = FrozenBody(net, 5)
    frozen.freeze()
    assert frozen.is_frozen
    frozen.release(torch.optim.SGD(net.parameters()))
    assert not frozen.is_frozen
    backward(net)
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == ["0.0.weight"]
    assert all(module.training for module in net.modules())


def test_norms_without_statistics_are_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.GroupNorm(1, 2), nn.InstanceNorm2d(2), nn.Dropout(), nn.Flatten(),
                        nn.Linear(8, 2))  # fmt: skip
    FrozenBody(net, 5).freeze()
    assert all(module.training for module in net.modules())


STEPS, FREEZE = 7, 3
NET = ["model=resnet", "model.width=4", "amp=off", "batch.size=256", f"steps={STEPS}", "val_every=2"]
EVERY = ["checkpoint=every", "checkpoint.every=1", "checkpoint.keep=100"]


def states(run: Path) -> dict[int, dict[str, Tensor]]:
    """The weights after each step."""
    return {int(path.stem.split("-")[1]): weights_in(path) for path in sorted((run / "checkpoints").glob("*.ckpt"))}


def changed(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


@pytest.fixture
def start(own: Path) -> Path:
    """Weights to start from."""
    run = fastrun.train([*NET, "steps=4", "name=before"], quiet=True)
    torch.save(states(run.directory)[4], own / "start.pt")
    return own / "start.pt"


def tuned(start: Path, *overrides: str, kind: str = "finetune") -> Path:
    own = [f"transfer={kind}", f"transfer.source={start}"]
    own += [f"transfer.freeze={FREEZE}"] if kind == "finetune" else []
    return fastrun.train([*NET, *EVERY, *own, *overrides], quiet=True).directory


@pytest.mark.parametrize(
    "overrides",
    [
        ["clip=norm", "clip.max=0.1"],
        ["speed.fused=false", "clip=agc"],
        ["optimizer=nesterov", "clip=value", "clip.max=0.01"],
        ["optimizer=nesterov", "transfer.lr_scale=1", "transfer.layer_decay=1"],
        ["optimizer=muon", "optimizer.weight_decay=0.1"],
        ["optimizer=schedulefree", "schedule=constant"],
        ["optimizer=lamb", "batch.accumulate=2"],
        ["ema=ema", "ema.decay=0.9"],
        ["schedule=onecycle", "pipeline=plain", "init=default"],
    ],
    ids=" ".join,
)
def test_the_body_moves_after_the_freeze_and_not_before(start: Path, overrides: list[str]) -> None:
    before, found = weights_in(start), states(tuned(start, *overrides))
    assert list(found) == list(range(1, STEPS + 1))
    head = {"7.weight", "7.bias"}
    for step in range(1, FREEZE + 1):
        assert changed(before, found[step]) == head, step
    moving = changed(found[FREEZE], found[FREEZE + 1])
    assert moving >= {name for name in before if not name.endswith("num_batches_tracked")}
    assert changed(found[FREEZE + 1], found[FREEZE + 2]) >= moving


@pytest.mark.parametrize("count", [2, 50])
def test_the_steps_a_call_do_not_move_the_release(start: Path, count: int) -> None:
    rarely = ["checkpoint.every=100", "val_every=100", f"speed.steps_per_call={count}"]
    assert not changed(states(tuned(start))[STEPS], states(tuned(start, *rarely))[STEPS])


def test_a_first_step_of_the_body_is_as_of_a_fresh_optimizer(start: Path) -> None:
    """Where an optimizer counts steps a group, the body's young averages are not taken for old ones."""
    own = ["optimizer=schedulefree", "schedule=constant", "transfer.lr_scale=1", "transfer.layer_decay=1"]
    sizes, before = [], weights_in(start)["3.conv1.0.weight"]
    for freeze in (0, FREEZE):
        run = tuned(start, *own, f"transfer.freeze={freeze}")
        content = torch.load(run / f"checkpoints/step-{freeze + 1:08d}.ckpt", weights_only=True)
        assert content["optimizer_states"][0]["param_groups"][-1]["k"] == 1
        sizes.append(float((content["state_dict"]["net.3.conv1.0.weight"] - before).std()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.3)  # with old averages, larger by the root of FREEZE


def test_a_probe_leaves_the_body_and_its_statistics_alone_to_the_end(start: Path) -> None:
    for overrides in (["speed.steps_per_call=3"], ["ema=swa", "ema.start=3", "ema.every=2", "optimizer=rmsprop"]):
        run = tuned(start, *overrides, kind="linear_probe")
        for state in states(run).values():
            assert changed(weights_in(start), state) == {"7.weight", "7.bias"}
        content = torch.load(run / f"checkpoints/step-{STEPS:08d}.ckpt", weights_only=True)
        live = {name.removeprefix("net."): value for name, value in content["state_dict"].items()}
        assert changed(weights_in(start), live) == {"7.weight", "7.bias"}
        (state,) = content["optimizer_states"]
        assert sum(len(group["params"]) for group in state["param_groups"]) == 2


@pytest.mark.full
@pytest.mark.parametrize("step", [1, FREEZE - 1, FREEZE, FREEZE + 1, STEPS - 1])
@pytest.mark.parametrize("overrides", [["optimizer=nesterov"], ["optimizer=adamw", "ema=ema"]], ids=" ".join)
def test_a_run_that_resumes_around_the_release_ends_the_same(start: Path, overrides: list[str], step: int) -> None:
    whole = tuned(start, *overrides, "speed.steps_per_call=2")
    part = whole.with_name("part")
    shutil.copytree(whole, part)
    for path in (part / "checkpoints").glob("*"):
        if int(path.stem.split("-")[1]) > step:
            path.unlink()
    (part / "status.json").write_text(json.dumps({"status": "interrupted", "pid": 0, "exit_code": 130}))
    assert main(["resume", str(part)]) == 0
    one, other = (torch.load(run / f"checkpoints/step-{STEPS:08d}.ckpt", weights_only=True) for run in (whole, part))
    assert not changed(one["state_dict"], other["state_dict"])
    assert not changed(states(whole)[STEPS], states(part)[STEPS])


@pytest.mark.full
def test_a_compiled_network_is_frozen_and_released_as_well(start: Path) -> None:
    found = states(tuned(start, "speed.compile=true", "model.depth=8"))
    plain = states(tuned(start))
    assert changed(weights_in(start), found[FREEZE]) == {"7.weight", "7.bias"}
    assert len(changed(found[FREEZE], found[FREEZE + 1])) > 20
    for name, value in plain[STEPS].items():
        torch.testing.assert_close(found[STEPS][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["finetune", pytest.param("linear_probe", marks=pytest.mark.full)])
def test_several_processes_freeze_and_release_as_one(start: Path, new_process, kind: str) -> None:
    net = ["model=mlp", "model.hidden=[16]", "norm=none", "optimizer=sgd", "optimizer.lr=0.1", "amp=off", "steps=6"]
    own = [*net, "batch.size=200", "checkpoint=every", "checkpoint.every=1", "checkpoint.keep=9"]
    before = fastrun.train([*net, "steps=1"], quiet=True).directory
    loaded = states(before)[1]
    own += [f"transfer={kind}", f"transfer.source={before}"] + ["transfer.freeze=3"] * (kind == "finetune")
    done = new_process("train", "name=two", "device=ddp", "device.count=2", *own)
    assert done.returncode == 0, done.stderr
    (two,) = Path("outputs/two").iterdir()
    alone = states(fastrun.train([*own, "name=one"], quiet=True).directory)
    for step, state in states(two).items():
        body = {"1.weight", "1.bias"} if step > 3 and kind == "finetune" else set()
        assert changed(loaded, state) == body | {
            "3.weight",
            "3.bias",
        }
        for name, value in alone[step].items():
            torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)
