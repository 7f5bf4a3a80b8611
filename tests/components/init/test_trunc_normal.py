import pytest
import torch
from torch import nn

from fastrun.components.init.trunc_normal import trunc_normal

LEFT = 0.8796  # of the deviation, after a cut at two


@pytest.mark.parametrize("std", [0.02, 0.1])
@pytest.mark.parametrize("layer", [nn.Linear(300, 300), nn.Conv2d(100, 100, 3), nn.Embedding(300, 300)], ids=repr)
def test_weights_have_the_deviation_and_none_lies_beyond_the_cut(layer, std):
    torch.manual_seed(0)
    trunc_normal(layer, std)
    assert layer.weight.std().item() == pytest.approx(LEFT * std, rel=0.02)
    assert 1.9 * std < layer.weight.abs().max() <= 2 * std
    assert not getattr(layer, "bias", torch.zeros(1)).any()


def test_the_cut_can_be_elsewhere():
    torch.manual_seed(0)
    layer = nn.Linear(300, 300)
    trunc_normal(layer, std=1.0, cut=1.0)
    assert 0.99 < layer.weight.abs().max() <= 1


def test_the_row_of_padding_stays_zero_and_a_frozen_embedding_as_it_is():
    padded, frozen = nn.Embedding(3, 4, padding_idx=1), nn.Embedding(3, 4).requires_grad_(False)
    before = frozen.weight.clone()
    trunc_normal(nn.ModuleList([padded, frozen]))
    assert not padded.weight[1].any()
    assert padded.weight[[0, 2]].all()
    assert torch.equal(frozen.weight, before)
