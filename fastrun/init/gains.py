"""By how much weights must be larger for what a non-linearity takes away.

A layer keeps the variance of what it is given if the variance of its weights is ``gain² / fan_in`` and the mean square
of its inputs ``1 / gain²``. For non-linearities that scale with their input (ReLU and its kin) that holds at any
variance, for the smooth ones where it is one. Sources: He et al. 2015, section 2.2; Klambauer et al. 2017 for SELU,
whose gain is one by its making.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import nn

_REACH, _POINTS = 10.0, 20_001  # standard deviations on each side, and places between: exact to six digits
_measured: dict[str, float] = {}


def of_rectifier(activation: nn.Module) -> float:
    """Return the gain of a rectifier with slope 1 above zero and, read off the module, another below."""
    if isinstance(activation, nn.LeakyReLU):
        square = activation.negative_slope**2
    elif isinstance(activation, nn.PReLU):
        square = float(activation.weight.detach().square().mean())
    elif isinstance(activation, nn.RReLU):  # drawn uniformly between the two
        low, high = activation.lower, activation.upper
        square = (low * low + low * high + high * high) / 3
    else:
        square = 0.0
    return sqrt(2 / (1 + square))


def of_inputs(activation: nn.Module | None) -> float:
    """Return the gain that makes up for a non-linearity on normal values of variance one; 1 for none.

    Computed by quadrature, once for each kind and its parameters.
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
    """Return PyTorch's gain for Xavier: 5/3 before tanh and its kin, 1 before a sigmoid or nothing."""
    return 5 / 3 if isinstance(activation, (nn.Tanh, nn.Hardtanh, nn.Softsign)) else 1.0
