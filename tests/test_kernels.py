"""What speed does to a network leaves what it computes alone."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import nn

import fastrun
from fastrun import kernels
from fastrun.errors import ConfigError
from fastrun.model.norm import batch
from fastrun.model.resnet import resnet
from fastrun.settings import Speed


def test_auto_puts_channels_last_where_there_are_convolutions() -> None:
    net = resnet((3, 8, 8), 10, 8, 4, norm=batch)
    assert kernels.layout(net) is None
    levers = kernels.arrange(Speed("auto"), net, torch.device("cpu"), deterministic=False)
    assert levers["channels_last"] == levers["steps_per_call"] == ""
    assert levers["tf32"] == levers["cudnn_benchmark"] == "no GPU"
    assert kernels.layout(net) is torch.channels_last


@pytest.mark.parametrize(
    ("speed", "net"),
    [
        (Speed("plain"), nn.Conv2d(3, 4, 3)),
        (Speed("auto"), nn.Linear(3, 4)),
        (Speed("auto", channels_last=False), nn.Conv2d(3, 4, 3)),
    ],
)
def test_elsewhere_the_layout_stays(speed: Speed, net: nn.Module) -> None:
    kernels.arrange(speed, net, torch.device("cpu"), deterministic=False)
    assert kernels.layout(net) is None


def test_the_layout_does_not_change_the_result() -> None:
    torch.manual_seed(0)
    net, x = resnet((3, 8, 8), 10, 8, 4, norm=batch).eval(), torch.randn(5, 3, 8, 8)
    before = net(x)
    kernels.arrange(Speed("auto"), net, torch.device("cpu"), deterministic=False)
    torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last)), before)


def test_a_compiler_that_fails_leaves_the_network_as_it_was(caplog) -> None:
    net = nn.Linear(2, 2)

    def broken() -> None:
        raise RuntimeError("no C++ compiler here\nand more")

    assert kernels.compiled(net, "default", broken) == "failed: no C++ compiler here"
    assert net(torch.ones(1, 2)).shape == (1, 2)
    assert "no C++ compiler here" in caplog.text
    assert "and more" not in caplog.text


def test_a_run_whose_compiler_fails_goes_on_and_says_so(folder, monkeypatch, lines) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler here")

    monkeypatch.setattr(nn.Module, "compile", fail)
    run = fastrun.train(["model=mlp", "model.hidden=[8]", "epochs=1", "speed.compile=true"], quiet=True)
    speed = run.summary["heuristics"]["speed"]
    assert "compile" not in speed["used"]
    assert "no compile: failed: no C++ compiler here" in speed["why"]
    assert "compile failed, going on without: no C++ compiler here" in (run.directory / "run.log").read_text()


def test_freed_memory_is_kept_only_where_it_is_wanted_and_can_be(monkeypatch) -> None:
    net, calls = nn.Linear(2, 2), []
    monkeypatch.setattr(kernels, "keep_freed_memory", lambda: calls.append(1) or len(calls) < 2)
    arranged = [
        kernels.arrange(speed, net, torch.device("cpu"), deterministic=False)["malloc"]
        for speed in (Speed("auto"), Speed("auto"), Speed("plain"), Speed("auto", malloc=False))
    ]
    assert arranged == ["", "only glibc has mallopt", "speed=plain", "as asked"]
    assert len(calls) == 2


def test_glibc_keeps_freed_memory_and_others_are_left_alone(monkeypatch) -> None:
    assert kernels.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(kernels.ctypes, "CDLL", lambda name: object())
    assert kernels.keep_freed_memory() is False


@pytest.mark.parametrize(("optimizer", "used"), [("adamw", True), ("rmsprop", False)])
def test_what_is_used_is_told_and_why_not_the_rest(folder, optimizer: str, used: bool) -> None:
    own = ["model=mlp", "model.hidden=[8]", "steps=1", f"optimizer={optimizer}"]
    speed = fastrun.train(own, quiet=True).summary["heuristics"]["speed"]
    assert ("fused" in speed["used"].split()) is used
    assert ("no fused" in speed["why"]) is not used
    assert "no channels_last: no 2-d convolutions" in speed["why"]
    assert "ask with speed.compile=true" in speed["why"]


def test_an_unknown_compile_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="compile_mode"):
        kernels.compiled(nn.Linear(2, 2), "fastest", lambda: None)


def test_trying_out_leaves_running_statistics_and_gradients_alone() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    kernels.keep_buffers(net, lambda: net(torch.randn(8, 3)).sum().backward())
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
