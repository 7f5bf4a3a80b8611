"""A rate for each parameter: any optimizer's groups, split; the factors that a config asks for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fastrun.components.model.mlp import mlp
from fastrun.components.optimizer.groups import decay_groups
from fastrun.components.optimizer.rates import rate_factors, scale_rates
from fastrun.errors import ConfigError


def net() -> nn.Module:
    torch.manual_seed(0)
    return mlp((4,), 3, (8, 8))


def rates(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    rate_of = {known[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(rate_of)
    return rate_of


def test_each_parameter_has_its_own_rate_and_all_else_of_its_group():
    model = net()
    optimizer = torch.optim.AdamW(decay_groups(model, 0.1), lr=0.5, betas=(0.8, 0.9))
    scale_rates(optimizer, model, {"1.weight": 0.1, "5.weight": 10, "5.bias": 10, "1.bias": 0.0})
    assert rates(model, optimizer) == {
        "1.weight": 0.05, "3.weight": 0.5, "5.weight": 5.0, "1.bias": 0.0, "3.bias": 0.5, "5.bias": 5.0,
    }  # fmt: skip
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1] * 3 + [0.0] * 3
    assert all(group["betas"] == (0.8, 0.9) for group in optimizer.param_groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 5.0, 0.05, 0.5, 5.0, 0.0]


def test_factors_of_two_calls_multiply_and_a_single_factor_splits_nothing():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for factor in (0.5, 0.1):
        scale_rates(optimizer, model, {name: factor for name, _ in model.named_parameters()})
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]
    scale_rates(optimizer, model, {})
    assert len(optimizer.param_groups) == 1


def test_the_steps_are_those_of_as_many_optimizers():
    model, twin = net(), net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    scale_rates(optimizer, model, {"1.weight": 0.5, "5.bias": 3.0})
    factors = {"1.weight": 0.5, "5.bias": 3.0}
    others = [torch.optim.Adam([p], lr=0.1 * factors.get(name, 1.0)) for name, p in twin.named_parameters()]
    for _ in range(3):
        for one, steps in ((model, [optimizer]), (twin, others)):
            one(torch.ones(2, 4)).square().sum().backward()
            for stepping in steps:
                stepping.step()
                stepping.zero_grad()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_the_same_factors_make_groups_that_a_checkpoint_fits():
    first, second = net(), net()
    optimizers = []
    for model in (first, second):
        optimizer = torch.optim.AdamW(decay_groups(model, 0.1))
        scale_rates(optimizer, model, rate_factors(model, 0.5, {"*.bias": 2}))
        optimizers.append(optimizer)
    first(torch.ones(2, 4)).sum().backward()
    optimizers[0].step()
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(optimizers[0].state[ours]["exp_avg"], optimizers[1].state[theirs]["exp_avg"])


def test_parameters_that_the_optimizer_does_not_have_do_not_matter():
    model = net()
    model[1].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(decay_groups(model, 0.0), lr=1.0)
    scale_rates(optimizer, model, {"1.weight": 0.5, "3.weight": 0.5})
    assert rates(model, optimizer) == {"1.bias": 1.0, "3.weight": 0.5, "3.bias": 1.0, "5.weight": 1.0, "5.bias": 1.0}


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_refused(factor):
    model = net()
    with pytest.raises(ConfigError, match=r"3.weight cannot be multiplied"):
        scale_rates(torch.optim.SGD(model.parameters()), model, {"3.weight": factor})


def test_an_optimizer_of_one_rate_is_refused_and_left_as_it_is():
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0)
    with pytest.raises(ConfigError, match="one learning rate"):
        scale_rates(optimizer, model, {"3.weight": 0.5})
    assert [len(group["params"]) for group in optimizer.param_groups] == [6]


def test_factors_are_powers_of_the_decay_times_those_of_the_patterns():
    factors = rate_factors(net(), 0.5, {"5.*": 10, "*.bias": 2})
    assert factors == {"1.weight": 0.25, "1.bias": 0.5, "3.weight": 0.5, "3.bias": 1.0, "5.weight": 10, "5.bias": 20}
    assert set(rate_factors(net(), 1.0, {}).values()) == {1.0}


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"no parameter is named 5\.wieght") as caught:
        rate_factors(net(), 1.0, {"5.wieght": 2})
    assert caught.value.hint == "did you mean 5.weight?"
    with pytest.raises(ConfigError) as caught:
        rate_factors(net(), 1.0, {"zzzzzzzzzz": 2})
    assert "1.weight" in caught.value.hint


@pytest.mark.parametrize(
    ("decay", "scale", "message"),
    [
        (0.0, {}, "layer_decay=0.0 is not in"),
        (1.5, {}, "layer_decay=1.5 is not in"),
        ("half", {}, "layer_decay=half is not in"),
        (float("nan"), {}, "layer_decay=nan is not in"),
        (True, {}, "layer_decay=True is not in"),
        (1.0, [1], "is not a map"),
        (1.0, {"*": -1}, "not a number of at least 0"),
        (1.0, {"*": "ten"}, "not a number of at least 0"),
        (1.0, {"*": None}, "not a number of at least 0"),
    ],
)
def test_values_out_of_range_are_refused(decay, scale, message):
    with pytest.raises(ConfigError, match=message):
        rate_factors(net(), decay, scale)
