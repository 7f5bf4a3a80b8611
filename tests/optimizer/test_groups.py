import pytest
import torch
from torch import nn

from fastrun.optimizer.groups import decayed


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4), nn.LayerNorm(4))


def sizes(group) -> list[int]:
    return [parameter.ndim for parameter in group["params"]]


def test_matrices_and_kernels_are_decayed_and_gains_and_biases_are_not():
    groups = decayed(net(), 0.01)
    assert [(group["weight_decay"], sizes(group)) for group in groups] == [(0.01, [4, 2]), (0.0, [1] * 6)]


def test_without_decay_there_is_one_group_that_leaves_it_to_the_optimizer():
    (group,) = decayed(net(), 0.0)
    assert len(group["params"]) == 8
    assert "weight_decay" not in group


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_each_trainable_parameter_is_in_one_group_and_frozen_ones_in_none(decay):
    model = net()
    model[0].weight.requires_grad_(False)
    listed = [id(parameter) for group in decayed(model, decay) for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("model", "decay"), [(nn.Linear(2, 2, bias=False), 0.01), (nn.BatchNorm1d(2), 0.0)])
def test_there_is_no_empty_group(model, decay):
    assert [group["weight_decay"] for group in decayed(model, 0.01)] == [decay]


def test_an_optimizer_shrinks_the_weights_that_are_decayed_and_only_them():
    model = nn.Linear(3, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimizer = torch.optim.AdamW(decayed(model, 0.5), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert model.weight.flatten().tolist() == pytest.approx([0.95] * 6)
    assert model.bias.tolist() == [1.0, 1.0]
