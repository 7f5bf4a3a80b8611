"""Gains: the factors of the weights that make up for the variance that an activation removes.

A layer's outputs have variance one if the variance of its weights is ``gain² / fan_in`` and the mean square of its
inputs is ``1 / gain²``. For activations that scale with their input (ReLU and similar ones), the gain is the same for
inputs of any variance; for smooth ones, it is computed for inputs of variance one. Sources: He et al. 2015, section
2.2; Klambauer et al. 2017 for SELU, which is designed to have gain one.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

import torch
from torch import nn

from fastrun.config.constraints import Range

Gain = Annotated[float, Range(gt=0, le=1000)]

_REACH, _POINTS = 10.0, 20_001  # standard deviations on each side, and points of the quadrature: exact to six digits
_measured: dict[str, float] = {}


def of_rectifier(activation: nn.Module) -> float:
    """Return the gain of a rectifier with slope 1 above zero and the module's slope below."""
    if isinstance(activation, nn.LeakyReLU):
        square = activation.negative_slope**2
    elif isinstance(activation, nn.PReLU):
        square = float(activation.weight.detach().square().mean())
    elif isinstance(activation, nn.RReLU):  # whose slope is uniform between the two
        low, high = activation.lower, activation.upper
        square = (low * low + low * high + high * high) / 3
    else:
        square = 0.0
    return sqrt(2 / (1 + square))


def of_inputs(activation: nn.Module | None) -> float:
    """Return the gain for inputs that are an activation of normal values of variance one; 1 for no activation.

    It is computed by quadrature, once for each activation and its parameters.
    """
    if activation is None:
        return 1.0
    if isinstance(activation, (nn.PReLU, nn.RReLU)):
        return of_rectifier(activation)
    key = repr(activation)
    if key not in _measured:
        z = torch.linspace(-_REACH, _REACH, _POINTS, dtype=torch.double)
        density = torch.exp(-z.square() / 2)
        with torch.no_grad():
            mean_square = (density * activation(z.clone()).square()).sum() / density.sum()
        _measured[key] = float(mean_square.rsqrt())
    return _measured[key]


def of_bounded(activation: nn.Module | None) -> float:
    """Return PyTorch's gain for Xavier: 5/3 before tanh and similar activations, 1 before a sigmoid or none."""
    return 5 / 3 if isinstance(activation, (nn.Tanh, nn.Hardtanh, nn.Softsign)) else 1.0
