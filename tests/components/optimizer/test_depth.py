"""Depths from the top, for the shapes that networks are written in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.norm.layers import batch
from fastrun.components.optimizer.depth import depths


class Attention(nn.Module):
    """A block of a transformer, its norms first."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.mix = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4))


class Vision(nn.Module):
    """As vision transformers are written: tokens and positions are the network's own parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 4, 2)
        self.blocks = nn.Sequential(*(Attention() for _ in range(3)))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)
        self.positions = nn.Parameter(torch.zeros(1, 4, 4))


class Encoder(nn.Module):
    """Positions, blocks and a last norm, in a module of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, 4, 4))
        self.layers = nn.ModuleList(Attention() for _ in range(2))
        self.norm = nn.LayerNorm(4)


class Language(nn.Module):
    """As GPTs are written: a dict of modules, and a head whose weight is the first embedding's."""

    def __init__(self) -> None:
        super().__init__()
        blocks = nn.ModuleList(Attention() for _ in range(2))
        parts = {"tokens": nn.Embedding(5, 4), "places": nn.Embedding(8, 4), "blocks": blocks, "norm": nn.LayerNorm(4)}
        self.body = nn.ModuleDict(parts)
        self.head = nn.Linear(4, 5, bias=False)


class Wrapped(nn.Module):
    """A network in another, which has no parameters of its own."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net


def by_depth(net: nn.Module) -> list[set[str]]:
    """The names at depth 0, 1 and so on, cut to what tells them apart."""
    depth_of = depths(net)
    assert list(depth_of) == [name for name, _ in net.named_parameters()]
    return [{name for name, depth in depth_of.items() if depth == one} for one in range(max(depth_of.values()) + 1)]


def test_each_layer_of_an_mlp_has_a_depth_and_its_norm_the_same():
    assert by_depth(mlp((4,), 2, (8, 8), norm=batch)) == [
        {"7.weight", "7.bias"}, {"4.weight", "5.weight", "5.bias"}, {"1.weight", "2.weight", "2.bias"},
    ]  # fmt: skip


def test_a_block_is_one_depth_whatever_is_in_it():
    net = resnet((1, 8, 8), 10, 8, norm=batch)
    depth_of = by_depth(net)
    assert [sorted({name.partition(".")[0] for name in names}) for names in depth_of] == [
        ["7"],
        ["4"],
        ["3"],
        ["2"],
        ["0"],
    ]
    assert depth_of[4] == {"0.0.weight", "0.1.weight", "0.1.bias"}
    speed = by_depth(speednet((3, 12, 12), 10, (8, 8), norm=batch))
    assert [sorted({name.partition(".")[0] for name in names}) for names in speed] == [["6"], ["3"], ["2"], ["0"]]


def test_as_in_beit_a_last_norm_goes_with_the_head_and_positions_with_the_first_layer():
    depth_of = by_depth(Vision())
    assert depth_of[0] == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert [names for names in depth_of[1:4] if not all(name.startswith("blocks") for name in names)] == []
    assert "blocks.2.norm.weight" in depth_of[1]
    assert depth_of[4] == {"positions", "patches.weight", "patches.bias"}


def test_positions_in_an_encoder_go_with_what_is_before_it():
    net = nn.Sequential(nn.Conv2d(1, 4, 2), Encoder(), nn.Linear(4, 2))
    depth_of = depths(net)
    assert (depth_of["0.weight"], depth_of["1.positions"]) == (3, 3)
    assert (depth_of["1.layers.0.norm.weight"], depth_of["1.layers.1.norm.weight"]) == (2, 1)
    assert (depth_of["1.norm.weight"], depth_of["2.weight"]) == (0, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_embeddings_are_the_deepest_together(tied):
    net = Language()
    if tied:
        net.head.weight = net.body["tokens"].weight
    depth_of = depths(net)
    assert ("head.weight" in depth_of) is not tied
    assert depth_of["body.tokens.weight"] == depth_of["body.places.weight"] == max(depth_of.values())
    assert depth_of["body.blocks.1.norm.weight"] + 1 == depth_of["body.blocks.0.norm.weight"]
    assert min(depth_of.values()) == 0


def test_a_wrapper_changes_nothing():
    net = Vision()
    assert {f"net.net.{name}": depth for name, depth in depths(net).items()} == depths(Wrapped(Wrapped(net)))


@pytest.mark.parametrize("net", [nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)), nn.LayerNorm(2), nn.LSTM(2, 2)])
def test_a_single_layer_is_its_head(net):
    assert set(depths(net).values()) == {0}


def test_a_network_without_parameters_has_no_depths():
    assert depths(nn.ReLU()) == {}
