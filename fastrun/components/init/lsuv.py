"""Layer-sequential unit variance. Source: Mishkin & Matas 2016, "All you need is a good init".

Weights start orthonormal. Then each layer in turn is divided by the standard deviation of its outputs on examples, so
that the variance is right for any kind of layer and activation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import torch
from torch import Tensor, nn

from fastrun.components.init.layers import Part, Weighted, weighted
from fastrun.components.init.orthogonal import orthogonal
from fastrun.config.constraints import Range
from fastrun.errors import ConfigError

Examples = Annotated[int, Range(ge=2)]  # one has no variance


def lsuv(net: nn.Module, examples: Tensor, samples: Examples = 256) -> None:
    """Draw orthonormal weights and scale each layer, in the order of the forward pass, to outputs of variance one.

    This takes a single pass: biases are zero, so the output of a layer can be divided along with its weights before the
    next layer sees it. The network is in evaluation mode during the pass. A layer that the pass does not call, or whose
    outputs are all the same, stays orthonormal.

    Args:
        net: the network, on the device of the examples.
        examples: inputs of the network, ``[n, …]``: scaled pixels, numbers, or integer tokens.
        samples: how many of the examples to use.

    Raises:
        ConfigError: the network does not take the examples.
    """
    orthogonal(net)
    with _evaluating(net), _scaling([layer for layer in weighted(net) if not isinstance(layer, Part)]):
        try:
            net(examples[:samples])
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"init=lsuv: the model does not take these samples: {reason}", "use init=auto") from error


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode without gradients; on exit, restore the modes."""
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
    """Scale each of the layers when it is called for the first time."""
    hooks = [layer.register_forward_hook(_DivideByDeviation()) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _DivideByDeviation:
    """A hook that divides a layer's weights and output by the standard deviation of the output, once."""

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
