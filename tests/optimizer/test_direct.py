"""A step by the fused kernels alone is the optimizer's own, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastrun.optimizer.direct import stepper
from fastrun.optimizer.groups import decayed
from fastrun.optimizer.rates import scale_rates

STEPS = 5
OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"weight_decay": 0.1, "betas": (0.8, 0.99)}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "sgd": (torch.optim.SGD, {"weight_decay": 0.1}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "weight_decay": 0.1}),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.Tanh())


def made(kind: str, net: nn.Module, **flags: object) -> torch.optim.Optimizer:
    factory, values = OPTIMIZERS[kind]
    return factory(decayed(net, values.get("weight_decay", 0.0)), lr=0.1, **({"fused": True} | values | flags))


def train(
    net: nn.Module, optimizer: torch.optim.Optimizer, advance, steps: range = range(STEPS), momenta: bool = False
) -> list[Tensor]:
    for step in steps:
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
            if momenta and "betas" in group:
                group["betas"] = (0.95 - 0.05 * step, 0.99)
            elif momenta and "momentum" in group:
                group["momentum"] = 0.95 - 0.05 * step
        net(torch.randn(8, 1, 4, 4)).square().sum().backward()
        advance()
        optimizer.zero_grad()
    return [weight.detach().clone() for weight in net.parameters()]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_the_optimizers_own(kind: str) -> None:
    net, twin = network(), network()
    optimizer, reference = made(kind, net), made(kind, twin)
    advance = stepper(optimizer)
    assert advance != optimizer.step
    assert same(train(net, optimizer, advance), train(twin, reference, reference.step))
    for ours, theirs in zip(
        optimizer.state_dict()["state"].values(), reference.state_dict()["state"].values(), strict=True
    ):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs if theirs[name] is not None)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS.keys() - {"adagrad"}))
def test_momentum_is_that_of_the_step(kind: str) -> None:
    net, twin, other = network(), network(), network()
    optimizer, reference, constant = made(kind, net), made(kind, twin), made(kind, other)
    ours = train(net, optimizer, stepper(optimizer), momenta=True)
    assert same(ours, train(twin, reference, reference.step, momenta=True))
    assert not same(ours, train(other, constant, constant.step))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_number_of_groups_is_stepped(kind: str) -> None:
    net, twin = network(), network()
    optimizer, reference = made(kind, net), made(kind, twin)
    for one, model in ((optimizer, net), (reference, twin)):
        scale_rates(one, model, {name: 1 / (place + 1) for place, (name, _) in enumerate(model.named_parameters())})
    assert len(optimizer.param_groups) == 6
    advance, own = stepper(optimizer), optimizer.step
    train(net, optimizer, advance, range(1)), train(twin, reference, reference.step, range(1))
    optimizer.step = lambda: pytest.fail("a step was left to the optimizer")
    assert same(train(net, optimizer, advance), train(twin, reference, reference.step))
    optimizer.step = own


@pytest.mark.parametrize("turns", [(0.0, 0.9, 0.8), (0.9, 0.0, 0.0, 0.8), (0.0, 0.0, 0.9, 0.0, 0.9)])
def test_momentum_that_comes_and_goes_is_that_of_the_step(turns: tuple[float, ...]) -> None:
    net, twin = network(), network()
    optimizer, reference = made("sgd", net), made("sgd", twin)
    own, calls = optimizer.step, []
    optimizer.step = lambda: (calls.append(1), own())
    advance = stepper(optimizer)
    for step, momentum in enumerate(turns):
        for group in (*optimizer.param_groups, *reference.param_groups):
            group["momentum"] = momentum
        now = range(step, step + 1)
        assert same(train(net, optimizer, advance, now), train(twin, reference, reference.step, now))
    assert len(calls) <= 2


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_only_the_first_step_is_left_to_the_optimizer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    optimizer = made(kind, net)
    own, calls = optimizer.step, []
    monkeypatch.setattr(optimizer, "step", lambda: (calls.append(1), own()))
    train(net, optimizer, stepper(optimizer))
    assert len(calls) == 1


def test_a_weight_without_a_gradient_is_left_alone() -> None:
    net, twin = network(), network()
    optimizer, reference = made("adamw", net), made("adamw", twin)
    advance = stepper(optimizer)
    train(net, optimizer, advance), train(twin, reference, reference.step)
    for frozen in (net, twin):
        frozen[0].weight.requires_grad_(False)
    later = range(STEPS, 2 * STEPS)
    assert same(train(net, optimizer, advance, later), train(twin, reference, reference.step, later))


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("parts", [(0, 1), (4,)], ids=["body", "head"])
def test_weights_that_are_frozen_at_first_begin_later(kind: str, parts: tuple[int, ...], monkeypatch) -> None:
    nets, optimizers = [network(), network()], []
    for net in nets:
        later = {id(weight) for part in parts for weight in net[part].parameters()}
        optimizer = made(kind, net)
        groups = [(group, [(id(w) in later, w) for w in group["params"]]) for group in optimizer.param_groups]
        optimizer.param_groups[:] = [  # all of a group begin together: fused SGD takes no other groups
            {**group, "params": chosen}
            for group, weights in groups
            for wanted in (True, False)
            if (chosen := [weight for is_later, weight in weights if is_later == wanted])
        ]
        optimizers.append(optimizer)
    calls: list[int] = []
    own = optimizers[0].step
    monkeypatch.setattr(optimizers[0], "step", lambda: (calls.append(1), own()))
    advances = [stepper(optimizers[0]), optimizers[1].step]
    for trains, steps in ((False, range(3)), (True, range(3, 7)), (False, range(7, 9)), (True, range(9, 11))):
        for net in nets:
            for part in parts:
                net[part].requires_grad_(trains)
        ours, theirs = (train(*three, steps) for three in zip(nets, optimizers, advances, strict=True))
        assert same(ours, theirs)
    assert len(calls) == 1 + 1 + 2  # the first step, the first with all, and those without some again


@pytest.mark.parametrize("flags", [{"fused": False}, {"amsgrad": True}, {"maximize": True}], ids=str)
def test_what_is_not_known_steps_by_itself(flags: dict[str, bool]) -> None:
    optimizer = made("adam", network(), **flags)
    assert stepper(optimizer) == optimizer.step


def test_an_optimizer_with_a_hook_steps_by_itself() -> None:
    optimizer = made("adam", network())
    optimizer.register_step_post_hook(lambda *_: None)
    assert stepper(optimizer) == optimizer.step


def test_weights_of_several_types_step_by_themselves() -> None:
    net, twin = network(), network()
    net[4].double(), twin[4].double()
    for one in (net, twin):
        one.insert(4, Double())
    optimizer, reference = made("sgd", net), made("sgd", twin)
    assert same(train(net, optimizer, stepper(optimizer)), train(twin, reference, reference.step))


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()
