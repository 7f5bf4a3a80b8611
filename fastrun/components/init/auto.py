"""Weights that suit the activations of a network: He before rectifiers, Xavier before all others."""

from __future__ import annotations

from math import sqrt

from torch import nn

from fastrun.components.init import gains
from fastrun.components.init.layers import RECTIFIERS, SMOOTH, ActivatedLayer, Layer, activated_layers, zero_bias
from fastrun.errors import ConfigError


def by_activation(net: nn.Module, zero_residual: bool = False) -> None:
    """Draw normal weights with a gain for the activations around each layer; biases are zero.

    Before a rectifier, the variance is ``gain² / fan_in`` with the rectifier's own gain, which depends on its slope.
    Smooth activations (GELU, SiLU, ELU, SELU, Mish, Hardswish and others) do not scale with their input, so the gain
    before them is chosen for an input of variance one: it is 1 where the layer has no activation before it, as after a
    norm. All other layers use Xavier. :mod:`fastrun.components.init.layers` lists the weights that are left unchanged.

    Sources: He et al. 2015 for rectifiers, Glorot & Bengio 2010 for the others; Goyal et al. 2017, section 5.1, for
    ``zero_residual``.

    Args:
        net: the network.
        zero_residual: let each residual block start as its shortcut, by calling ``zero_init_last`` of all modules that
            have it. This helps with large batches and deep networks.

    Raises:
        ConfigError: ``zero_residual`` for a network without residual blocks.
    """
    for activated in activated_layers(net):
        _draw(activated)
        zero_bias(activated.layer)
    if zero_residual:
        _zero_branches(net)


def _draw(activated: ActivatedLayer) -> None:
    layer, before, after = activated
    if isinstance(after, SMOOTH):
        nn.init.normal_(layer.weight, std=gains.of_inputs(before) / sqrt(_fan_in(layer)))
    elif isinstance(after, RECTIFIERS):
        nn.init.normal_(layer.weight, std=gains.of_rectifier(after) / sqrt(_fan_in(layer)))
    else:
        nn.init.xavier_normal_(layer.weight, gains.of_bounded(after))


def _fan_in(layer: Layer) -> int:
    return layer.weight[0].numel()


def _zero_branches(net: nn.Module) -> None:
    blocks = [module for module in net.modules() if callable(getattr(module, "zero_init_last", None))]
    if not blocks:
        raise ConfigError("init.zero_residual=true: this model has no residual blocks", "use init.zero_residual=false")
    for block in blocks:
        block.zero_init_last()  # type: ignore[operator]
