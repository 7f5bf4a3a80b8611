"""Layer-sequential unit variance. Source: Mishkin & Matas 2016, "All you need is a good init".

Orthonormal weights, then each layer in turn divided by the deviation of its outputs on examples: what theory promises
for one kind of activation, measured for whatever the network has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fastrun.errors import ConfigError
from fastrun.init.layers import Part, Weighted, weighted
from fastrun.init.orthogonal import orthogonal


def lsuv(net: nn.Module, examples: Tensor, samples: int = 256) -> None:
    """Draw orthonormal weights and scale each layer, in the order of the forward pass, to outputs of variance one.

    One pass does it: biases are zero, so an output is divided by its deviation along with the weights, and the next
    layer sees what it would see in another pass. Norms act as in evaluation, dropout not at all. A layer that the
    pass does not call, or whose outputs are all the same, stays orthonormal.

    Args:
        net: the network, on the device of the examples.
        examples: inputs as the network takes them, ``[n, …]``: scaled pixels, numbers, or integer tokens.
        samples: how many of the training set to look at.

    Raises:
        ConfigError: ``samples`` is below 2, or the network does not take the examples.
    """
    if samples < 2:
        raise ConfigError(f"init.samples={samples} has no variance", "the least is 2")
    orthogonal(net)
    with _evaluating(net), _scaling([layer for layer in weighted(net) if not isinstance(layer, Part)]):
        try:
            net(examples[:samples])
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"init=lsuv: the model does not take these samples: {reason}", "use init=auto") from error


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """Have every module act as in evaluation, and each as it did after it."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _scaling(layers: list[Weighted]) -> Iterator[None]:
    """Scale each of the layers the first time that it is called."""
    hooks = [layer.register_forward_hook(_Unit()) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Unit:
    """Divides a layer's weights and the output just computed by that output's deviation, once."""

    def __init__(self) -> None:
        self.is_done = False

    def __call__(self, layer: nn.Module, _: object, output: Tensor) -> Tensor | None:
        deviation = output.std()
        if self.is_done or not (deviation > 0 and deviation.isfinite()):
            return None
        self.is_done = True
        assert isinstance(layer.weight, Tensor)
        layer.weight.div_(deviation)
        return output / deviation
