"""Saxe, McClelland & Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear networks".

The rows of each matrix are orthonormal, or its columns if there are fewer. A product of such matrices keeps the length
of every vector, so that deep linear networks learn as fast as shallow ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from fastrun.components.init.gains import Gain
from fastrun.components.init.layers import weighted, zero_bias


def orthogonal(net: nn.Module, gain: Gain = 1.0) -> None:
    """Draw orthogonal weights times a gain, with filters as rows; biases are zero.

    This also sets the matrices of recurrent layers, gate by gate, since those are multiplied at every step of a
    sequence. The biases of recurrent layers are left unchanged.

    Args:
        net: the network.
        gain: 1 suits linear and tanh layers, 1.414 ReLU.
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
