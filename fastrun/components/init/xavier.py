"""Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".

Weights with variance ``gain² · 2 / (fan_in + fan_out)`` nearly keep the variance of both activations and gradients
through layers that are followed by tanh, sigmoid or no activation.
"""

from __future__ import annotations

from torch import nn

from fastrun.components.init.gains import Gain
from fastrun.components.init.layers import weighted, zero_bias


def uniform(net: nn.Module, gain: Gain = 1.0) -> None:
    """Draw the weights uniformly.

    Args:
        net: the network.
        gain: a factor that makes up for the activation; 5/3 for tanh in PyTorch, 1 in the paper.
    """
    for layer in weighted(net):
        nn.init.xavier_uniform_(layer.weight, gain)
        zero_bias(layer)


def normal(net: nn.Module, gain: Gain = 1.0) -> None:
    """Draw the weights from a normal distribution.

    Args:
        net: the network.
        gain: a factor that makes up for the activation; 5/3 for tanh in PyTorch, 1 in the paper.
    """
    for layer in weighted(net):
        nn.init.xavier_normal_(layer.weight, gain)
        zero_bias(layer)
