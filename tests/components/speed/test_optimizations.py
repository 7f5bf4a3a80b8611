"""What speed does to a network leaves what it computes alone."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.model.buffers import keep_buffers
from fastrun.components.model.resnet import resnet
from fastrun.components.norm.layers import batch
from fastrun.components.speed import malloc, optimizations
from fastrun.components.speed.compile import compile_network
from fastrun.components.speed.memory_format import memory_format_of
from fastrun.config.settings import SpeedConfig
from fastrun.errors import ConfigError


def test_auto_puts_channels_last_where_there_are_convolutions() -> None:
    net = resnet((3, 8, 8), 10, 8, 16, norm=batch)
    assert memory_format_of(net) is None
    applied = optimizations.apply_optimizations(SpeedConfig("auto"), net, torch.device("cpu"), deterministic=False)
    assert applied["channels_last"] == applied["steps_per_call"] == ""
    assert applied["tf32"] == applied["cudnn_benchmark"] == "no GPU"
    assert memory_format_of(net) is torch.channels_last


@pytest.mark.parametrize(
    ("speed", "net"),
    [
        (SpeedConfig("plain"), nn.Conv2d(3, 4, 3)),
        (SpeedConfig("auto"), nn.Linear(3, 4)),
        (SpeedConfig("auto", channels_last=False), nn.Conv2d(3, 4, 3)),
    ],
)
def test_elsewhere_the_layout_stays(speed: SpeedConfig, net: nn.Module) -> None:
    optimizations.apply_optimizations(speed, net, torch.device("cpu"), deterministic=False)
    assert memory_format_of(net) is None


def test_channels_stay_first_where_onednn_would_compute_wrong_gradients() -> None:
    cpu = torch.device("cpu")
    for width, reason in ((15, "oneDNN"), (16, "")):
        net = resnet((3, 8, 8), 10, 8, width)
        applied = optimizations.apply_optimizations(SpeedConfig("auto"), net, cpu, deterministic=False)
        assert applied["channels_last"].startswith(reason)
        assert (memory_format_of(net) is None) == bool(reason)
    for speed in (SpeedConfig("auto", channels_last=True), SpeedConfig("plain", channels_last=True)):
        with pytest.raises(ConfigError, match=r"speed\.channels_last=true") as caught:
            optimizations.apply_optimizations(speed, resnet((3, 8, 8), 10, 8, 4), cpu, deterministic=False)
        assert caught.value.hint


@pytest.mark.parametrize("width", [4, 16])
def test_gradients_with_the_layout_that_is_chosen_are_right(width: int) -> None:
    torch.manual_seed(0)
    net, x = resnet((3, 8, 8), 10, 8, width), torch.randn(32, 3, 8, 8)
    expected = torch.autograd.grad(net.double()(x.double()).square().sum(), list(net.parameters()))
    optimizations.apply_optimizations(SpeedConfig("auto"), net.float(), torch.device("cpu"), deterministic=False)
    x = x.contiguous(memory_format=memory_format_of(net) or torch.contiguous_format)
    computed = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    torch.testing.assert_close([g.double() for g in computed], list(expected), rtol=1e-3, atol=1e-3)


def test_the_layout_does_not_change_the_result() -> None:
    torch.manual_seed(0)
    net, x = resnet((3, 8, 8), 10, 8, 16, norm=batch).eval(), torch.randn(5, 3, 8, 8)
    before = net(x)
    optimizations.apply_optimizations(SpeedConfig("auto"), net, torch.device("cpu"), deterministic=False)
    torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last)), before)


def test_a_compiler_that_fails_leaves_the_network_as_it_was(caplog) -> None:
    net = nn.Linear(2, 2)

    def broken() -> None:
        raise RuntimeError("no C++ compiler here\nand more")

    assert compile_network(net, "default", broken) == "failed: no C++ compiler here"
    assert net(torch.ones(1, 2)).shape == (1, 2)
    assert "no C++ compiler here" in caplog.text
    assert "and more" not in caplog.text


def test_a_run_whose_compiler_fails_goes_on_and_says_so(folder, monkeypatch, lines) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler here")

    monkeypatch.setattr(torch, "compile", fail)
    run = fastrun.train(["model=mlp", "model.hidden=[8]", "epochs=1", "speed.compile=true"], quiet=True)
    speed = run.summary["heuristics"]["speed"]
    assert "compile" not in speed["used"]
    assert "no compile: failed: no C++ compiler here" in speed["why"]
    assert (
        "torch.compile failed, the run goes on without it: no C++ compiler here"
        in (run.directory / "run.log").read_text()
    )


def test_freed_memory_is_kept_only_where_it_is_configured_and_possible(monkeypatch) -> None:
    net, calls = nn.Linear(2, 2), []
    monkeypatch.setattr(optimizations, "keep_freed_memory", lambda: calls.append(1) or len(calls) < 2)
    arranged = [
        optimizations.apply_optimizations(speed, net, torch.device("cpu"), deterministic=False)["malloc"]
        for speed in (SpeedConfig("auto"), SpeedConfig("auto"), SpeedConfig("plain"), SpeedConfig("auto", malloc=False))
    ]
    assert arranged == ["", "only glibc has mallopt", "speed=plain", "turned off in the config"]
    assert len(calls) == 2


def test_glibc_keeps_freed_memory_and_others_are_left_alone(monkeypatch) -> None:
    assert malloc.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda name: object())
    assert malloc.keep_freed_memory() is False


@pytest.mark.parametrize(("optimizer", "used"), [("adamw", True), ("rmsprop", False)])
def test_a_run_records_what_is_used_and_why_the_rest_is_not(folder, optimizer: str, used: bool) -> None:
    own = ["model=mlp", "model.hidden=[8]", "steps=1", f"optimizer={optimizer}"]
    speed = fastrun.train(own, quiet=True).summary["heuristics"]["speed"]
    assert ("fused" in speed["used"].split()) is used
    assert ("no fused" in speed["why"]) is not used
    assert "no channels_last: no 2-d convolutions" in speed["why"]
    assert "speed.compile=true turns it on" in speed["why"]


def test_trying_out_leaves_running_statistics_and_gradients_alone() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    keep_buffers(net, lambda: net(torch.randn(8, 3)).sum().backward())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_compiled_run_counts_its_compilation_apart(folder, monkeypatch) -> None:
    eager = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *a, **k: eager(*a, **(k | {"backend": "eager", "mode": None})))
    run = fastrun.train(["model=mlp", "model.hidden=[8]", "epochs=1", "speed.compile=true"], quiet=True)
    assert run.summary["clock"]["compile"] > 0
    assert "compile" in run.summary["heuristics"]["speed"]["used"]
    keys = torch.load(run.directory / run.summary["best"]["checkpoint"], weights_only=True)["state_dict"]
    assert not any("_orig_mod" in key for key in keys)


CONVOLUTIONS = """
from torch import nn

class Image(nn.Module):
    def __init__(self, num_classes, volume=False):
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3) if volume else nn.Conv2d(1, 4, 3)
        self.second, self.head = nn.Conv2d(4, 4, 3), nn.Linear(4, num_classes)

    def forward(self, x):
        x = self.first(x.unsqueeze(1))
        return self.head(self.second(x.mean(2) if x.ndim == 5 else x).mean((2, 3)))
"""


@pytest.mark.parametrize(("shape", "volume"), [("[8,8]", "false"), ("[4,8,8]", "true")])
def test_convolutions_behind_an_unsqueeze_and_beside_3d_ones_train(folder, shape: str, volume: str) -> None:
    (folder / "own_convolutions.py").write_text(CONVOLUTIONS)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/own.yaml").write_text(f"# Mine\n_target_: own_convolutions.Image\nvolume: {volume}\n")
    data = ["data=synthetic", f"data.shape={shape}", "data.samples=64", "data.classes=2"]
    run = fastrun.train([*data, "model=own", "steps=1", "batch.size=8", "device=cpu"], quiet=True)
    assert "channels_last" in run.summary["heuristics"]["speed"]["used"].split()
