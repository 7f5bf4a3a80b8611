"""Small normal weights without outliers: the start of BERT (Devlin et al. 2019) and of vision transformers.

Meant for networks with a norm in every branch, which makes the scale of a weight a matter of the learning rate alone.
Source: BERT's reference implementation; Touvron et al. 2021, "Training data-efficient image transformers", section 6.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastrun.init.layers import weighted, zero_bias


def trunc_normal(net: nn.Module, std: float = 0.02, cut: float = 2.0) -> None:
    """Draw weights, those of embeddings too, from a normal distribution that is cut off on both sides.

    Biases are zero, and so stays the row of an embedding that stands for padding.

    Args:
        net: the network.
        std: the standard deviation before the cut; what is left by one at 2 has 0.88 of it.
        cut: the largest distance from zero, in standard deviations.
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
