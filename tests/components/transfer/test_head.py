"""Which part of a network is its head."""

from __future__ import annotations

import timm
import torch
from torch import nn

from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.norm.layers import batch
from fastrun.components.transfer.head import body_of, head_names, head_of


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.middle = nn.Linear(4, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight


def test_the_head_is_the_linear_layer_registered_last() -> None:
    net = mlp((4,), 3, (5, 6))
    assert head_of(net) == [net[-1]]
    assert head_names(net) == {"5.weight", "5.bias"}
    assert len(body_of(net)) == 4


def test_what_follows_the_head_without_weights_does_not_matter() -> None:
    assert head_names(speednet((3, 8, 8), 10, widths=(8,), norm=batch)) == {"5.weight"}
    assert head_names(resnet((1, 8, 8), 10, 8, 4, norm=batch)) == {"7.weight", "7.bias"}


def test_a_network_of_timm_says_which_its_classifier_is() -> None:
    net = timm.create_model("tf_efficientnet_lite0", num_classes=4)
    assert head_names(net) == {"classifier.weight", "classifier.bias"}
    assert head_names(nn.Sequential(nn.Identity(), net)) == {"1.classifier.weight", "1.classifier.bias"}


def test_a_distilled_network_has_two_heads() -> None:
    net = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=4, depth=1)
    assert head_names(net) == {f"{head}.{name}" for head in ("head", "head_dist") for name in ("weight", "bias")}


def test_a_classifier_without_weights_is_no_head() -> None:
    net = timm.create_model("resnet18", num_classes=0)
    assert isinstance(net.get_classifier(), nn.Identity)
    assert head_names(net) == {"layer4.1.conv2.weight"}  # no linear layer is left: the last convolution


def test_a_network_without_layers_has_no_head() -> None:
    assert head_of(nn.BatchNorm1d(3)) == []
    assert len(body_of(nn.BatchNorm1d(3))) == 2


def test_a_weight_that_the_head_shares_is_the_heads() -> None:
    net = Tied()
    assert head_names(net) == {"out.weight"}
    assert [weight.shape for weight in body_of(net)] == [torch.Size([4, 4]), torch.Size([4])]


def test_a_network_that_is_one_layer_is_its_own_head() -> None:
    assert head_names(nn.Linear(2, 3)) == {"weight", "bias"}
