"""He where a rectifier follows, Xavier where tanh, sigmoid or nothing does, read off the network itself."""

from __future__ import annotations

from math import sqrt

from torch import nn

from fastrun.errors import ConfigError
from fastrun.init import gains
from fastrun.init.layers import RECTIFIERS, SMOOTH, Place, feeds, zero_bias


def by_activation(net: nn.Module, zero_residual: bool = False) -> None:
    """Draw normal weights with the gain of the non-linearities around each layer; biases are zero.

    Before a rectifier the variance is ``gain² / fan_in`` with the rectifier's own gain (the slope of a leaky one is
    read off it). Before a smooth relative of it (GELU, SiLU, ELU, SELU, Mish, Hardswish …), which does not scale with
    its input, the gain is that which brings variance one there: 1 where no non-linearity comes before the layer, as
    with scaled inputs and after a norm. All else is Xavier. What stays untouched: :mod:`fastrun.init.layers`.

    Sources: He et al. 2015 for rectifiers, Glorot & Bengio 2010 for the rest; Goyal et al. 2017, section 5.1, for
    ``zero_residual``.

    Args:
        net: the network.
        zero_residual: let each residual block start as its shortcut: calls ``zero_init_last`` of all modules that
            have it. It pays with large batches and deep networks.

    Raises:
        ConfigError: ``zero_residual`` of a network without such blocks.
    """
    for place in feeds(net):
        _draw(place)
        zero_bias(place.layer)
    if zero_residual:
        _zero_branches(net)


def _draw(place: Place) -> None:
    weight = place.layer.weight
    if isinstance(place.after, (*RECTIFIERS, *SMOOTH)):
        is_smooth = isinstance(place.after, SMOOTH)
        gain = gains.of_inputs(place.before) if is_smooth else gains.of_rectifier(place.after)
        nn.init.normal_(weight, std=gain / sqrt(weight[0].numel()))
    else:
        nn.init.xavier_normal_(weight, gains.of_bounded(place.after))


def _zero_branches(net: nn.Module) -> None:
    blocks = [module for module in net.modules() if callable(getattr(module, "zero_init_last", None))]
    if not blocks:
        raise ConfigError("init.zero_residual=true: this model has no residual blocks", "use init.zero_residual=false")
    for block in blocks:
        block.zero_init_last()  # type: ignore[operator]
