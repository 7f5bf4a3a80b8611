"""He et al. 2015, "Delving deep into rectifiers".

Weights with variance ``2 / fan`` keep the variance of activations (``mode=fan_in``) or of gradients (``mode=fan_out``)
through layers that are followed by a ReLU.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from fastrun.components.init.layers import weighted, zero_bias

Mode = Literal["fan_in", "fan_out"]


def uniform(net: nn.Module, mode: Mode = "fan_in") -> None:
    """Draw the weights uniformly.

    Args:
        net: the network.
        mode: ``fan_in`` to keep the variance of activations, ``fan_out`` to keep that of gradients.
    """
    for layer in weighted(net):
        nn.init.kaiming_uniform_(layer.weight, mode=mode, nonlinearity="relu")
        zero_bias(layer)


def normal(net: nn.Module, mode: Mode = "fan_in") -> None:
    """Draw the weights from a normal distribution.

    Args:
        net: the network.
        mode: ``fan_in`` to keep the variance of activations, ``fan_out`` to keep that of gradients.
    """
    for layer in weighted(net):
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
        zero_bias(layer)
