"""Small normal weights without outliers: the start of BERT (Devlin et al. 2019) and of vision transformers.

It suits networks with a norm in every branch, where the scale of a weight affects only its effective learning rate.
Source: BERT's reference implementation; Touvron et al. 2021, "Training data-efficient image transformers", section 6.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastrun.components.init.gains import Gain
from fastrun.components.init.layers import weighted, zero_bias


def trunc_normal(net: nn.Module, std: Gain = 0.02, cut: Gain = 2.0) -> None:
    """Draw weights, including those of embeddings, from a normal distribution that is cut off on both sides.

    Biases are zero, and so is the row of an embedding that stands for padding.

    Args:
        net: the network.
        std: the standard deviation before the cut; a cut at 2 reduces it to 0.88 of this.
        cut: the largest absolute value, in standard deviations.
    """
    for layer in weighted(net):
        _draw(layer.weight, std, cut)
        zero_bias(layer)
    for module in net.modules():
        if isinstance(module, nn.Embedding) and module.weight.requires_grad:
            _draw(module.weight, std, cut)
            if module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()


def _draw(weight: Tensor, std: float, cut: float) -> None:
    nn.init.trunc_normal_(weight, std=std, a=-cut * std, b=cut * std)
