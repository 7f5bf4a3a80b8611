"""Saxe, McClelland & Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear networks".

Matrices whose rows, or columns where those are fewer, are orthonormal: a product of many keeps the length of every
vector, not only of the mean one, so that deep linear networks learn as fast as shallow ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from fastrun.init.layers import weighted, zero_bias


def orthogonal(net: nn.Module, gain: float = 1.0) -> None:
    """Draw orthogonal weights times a gain, filters as rows; biases are zero.

    The matrices of recurrent layers are set as well, gate by gate, for there the same one is multiplied again and
    again; their biases stay.

    Args:
        net: the network.
        gain: 1 is for linear and tanh layers, 1.414 for ReLU.
    """
    for layer in weighted(net):
        nn.init.orthogonal_(layer.weight, gain)
        zero_bias(layer)
    for gate in _gates(net):
        nn.init.orthogonal_(gate, gain)


def _gates(net: nn.Module) -> Iterator[Tensor]:
    for module in net.modules():
        if isinstance(module, nn.RNNBase):
            for name, weight in module.named_parameters(recurse=False):
                if name.startswith("weight_") and weight.requires_grad:
                    yield from weight.detach().chunk(len(weight) // module.hidden_size)
