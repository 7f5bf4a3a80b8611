"""What every initialization leaves as the model's factory has it."""

import pytest
import torch
from torch import nn

from fastrun.components.init import auto, he, xavier
from fastrun.components.init.layers import Part, weighted
from fastrun.components.init.lsuv import lsuv
from fastrun.components.init.orthogonal import orthogonal
from fastrun.components.init.trunc_normal import trunc_normal

INITS = [
    he.normal, he.uniform, xavier.normal, xavier.uniform, auto.by_activation, orthogonal, trunc_normal,
    lambda net: lsuv(net, torch.randint(5, (16, 7))),
]  # fmt: skip
NAMES = ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "auto", "orthogonal", "trunc_normal", "lsuv"]


class Reader(nn.Module):
    """Everything that is left alone: an embedding, a recurrent layer, a frozen layer, a head tied to the embedding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 6, padding_idx=0)
        self.recurrent = nn.LSTM(6, 6, batch_first=True)
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.free = nn.Linear(6, 6)
        self.head = nn.Linear(6, 5)
        self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.free(self.frozen(self.recurrent(self.embedding(x))[0])))


def changed(init) -> set[str]:
    before, after = Reader(), Reader()
    init(after)
    return {name for name, weight in after.state_dict().items() if not torch.equal(weight, before.state_dict()[name])}


@pytest.mark.parametrize("init", INITS, ids=NAMES)
def test_frozen_layers_embeddings_and_recurrent_ones_stay(init):
    expected = {"free.weight", "free.bias"}
    if init is trunc_normal:
        expected |= {"embedding.weight", "head.weight"}
    elif init is orthogonal or NAMES[INITS.index(init)] == "lsuv":
        expected |= {"recurrent.weight_ih_l0", "recurrent.weight_hh_l0"}
    assert changed(init) - {"head.bias"} == expected


def test_a_frozen_attention_is_left_out_and_a_free_one_is_three_layers_and_its_output():
    assert list(weighted(nn.MultiheadAttention(4, 1).requires_grad_(False))) == []
    parts = list(weighted(nn.MultiheadAttention(4, 1)))
    assert [isinstance(part, Part) for part in parts] == [True] * 3 + [False]
    assert [tuple(part.weight.shape) for part in parts] == [(4, 4)] * 4


def test_parts_without_a_bias_have_none():
    parts = list(weighted(nn.MultiheadAttention(4, 1, bias=False)))
    assert [part.bias for part in parts] == [None] * 4


def test_a_frozen_bias_stays():
    layer = nn.Linear(3, 3)
    layer.bias.requires_grad_(False)
    bias = layer.bias.clone()
    he.normal(layer)
    assert torch.equal(layer.bias, bias)


def test_a_frozen_layer_still_separates_its_neighbours():
    net = nn.Sequential(nn.Linear(400, 400), nn.Linear(400, 400).requires_grad_(False), nn.ReLU())
    torch.manual_seed(0)
    auto.by_activation(net)
    assert net[0].weight.std().item() * 20 == pytest.approx(1.0, rel=0.02)  # it feeds a layer, not the rectifier
