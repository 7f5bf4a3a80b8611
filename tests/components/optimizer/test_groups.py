import pytest
import torch
from torch import nn

from fastrun.components.optimizer.groups import decay_groups, parts


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4), nn.LayerNorm(4))


def sizes(group) -> list[int]:
    return [parameter.ndim for parameter in group["params"]]


def test_matrices_and_kernels_are_decayed_and_gains_and_biases_are_not():
    groups = decay_groups(net(), 0.01)
    assert [(group["weight_decay"], sizes(group)) for group in groups] == [(0.01, [4, 2]), (0.0, [1] * 6)]


def test_without_decay_there_is_one_group_that_leaves_it_to_the_optimizer():
    (group,) = decay_groups(net(), 0.0)
    assert len(group["params"]) == 8
    assert "weight_decay" not in group


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_each_trainable_parameter_is_in_one_group_and_frozen_ones_in_none(decay):
    model = net()
    model[0].weight.requires_grad_(False)
    listed = [id(parameter) for group in decay_groups(model, decay) for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("model", "decay"), [(nn.Linear(2, 2, bias=False), 0.01), (nn.BatchNorm1d(2), 0.0)])
def test_there_is_no_empty_group(model, decay):
    assert [group["weight_decay"] for group in decay_groups(model, 0.01)] == [decay]


def test_an_optimizer_shrinks_the_weights_that_are_decayed_and_only_them():
    model = nn.Linear(3, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimizer = torch.optim.AdamW(decay_groups(model, 0.5), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert model.weight.flatten().tolist() == pytest.approx([0.95] * 6)
    assert model.bias.tolist() == [1.0, 1.0]


class Seeing(nn.Module):
    """Positions, a class token and norms over more than channels."""

    def __init__(self):
        super().__init__()
        self.positions, self.token = nn.Parameter(torch.zeros(1, 4, 8)), nn.Parameter(torch.zeros(1, 1, 8))
        self.places, self.norm = nn.Embedding(4, 8), nn.LayerNorm([4, 8])
        self.lstm, self.attention = nn.LSTM(8, 8), nn.MultiheadAttention(8, 2)
        self.conv, self.head = nn.Conv1d(8, 8, 3), nn.Linear(8, 2)


def named(model, parameters) -> set[str]:
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    return {known[id(parameter)] for parameter in parameters}


def test_embeddings_are_decayed_and_norms_tokens_and_positions_are_not():
    model = Seeing()
    decay, none = decay_groups(model, 0.1)
    assert named(model, decay["params"]) == {
        "places.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "attention.in_proj_weight",
        "attention.out_proj.weight", "conv.weight", "head.weight",
    }  # fmt: skip
    assert {"positions", "token", "norm.weight", "norm.bias"} < named(model, none["params"])


def test_parts_are_hidden_weights_then_tables_and_the_head_then_the_rest():
    model = Seeing()
    model.conv.weight.requires_grad_(False)
    hidden, tables, rest = (named(model, part) for part in parts(model))
    assert tables == {"places.weight", "head.weight"}
    assert hidden == {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "attention.in_proj_weight", "attention.out_proj.weight"}
    assert hidden | tables | rest == {name for name, _ in model.named_parameters()} - {"conv.weight"}


def test_a_table_used_as_the_head_is_in_one_part():
    model = nn.ModuleDict({"words": nn.Embedding(5, 8), "head": nn.Linear(8, 5, bias=False)})
    model["head"].weight = model["words"].weight
    assert [len(part) for part in parts(model)] == [0, 1, 0]
