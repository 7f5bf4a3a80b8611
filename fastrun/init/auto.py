"""He where a rectifier follows, Xavier where tanh, sigmoid or nothing does, read off the network itself."""

from __future__ import annotations

from torch import nn

from fastrun.init.layers import feeds, zero_bias

_RECTIFIERS = ("relu", "leaky_relu", "selu")


def by_activation(net: nn.Module) -> None:
    """Draw normal weights with the gain of the non-linearity that each layer feeds.

    Sources: He et al. 2015 for rectifiers, Glorot & Bengio 2010 for the rest; gains of
    :func:`torch.nn.init.calculate_gain`.
    """
    for layer, activation in feeds(net):
        if activation in _RECTIFIERS:
            nn.init.kaiming_normal_(layer.weight, nonlinearity=activation)  # type: ignore[arg-type]
        else:
            nn.init.xavier_normal_(layer.weight, nn.init.calculate_gain(activation))  # type: ignore[arg-type]
        zero_bias(layer)
