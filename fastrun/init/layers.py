"""Which layers an initialization acts on, and the non-linearities before and after each of them.

Linear layers, convolutions and the projections of :class:`torch.nn.MultiheadAttention`, each of the three for itself.
Three kinds of weights stay as the model's factory has them:

* frozen ones: a factory freezes what must not be drawn anew, such as fixed filters or a body it loaded, and no step
  could repair them;
* embeddings, and matrices that are tied to one: a row is looked up, not summed over, so that no fan-in calls for a
  variance. PyTorch's rows have variance one, which is what the layers after them expect of their input;
* recurrent layers: PyTorch's start fits their gates, whose biases a factory may have set on purpose.

``init=trunc_normal`` and ``init=orthogonal`` say in their own words what they set beside these layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn


class Part(NamedTuple):
    """A matrix ``[out, in]`` that is stored as a part of a larger one, and its bias ``[out]``."""

    weight: Tensor
    bias: Tensor | None


Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
Layer = Weighted | Part

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU)
SMOOTH = (nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.Mish, nn.Hardswish, nn.Softplus)
BOUNDED = (nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Sigmoid, nn.Hardsigmoid)
_ACTIVATIONS = RECTIFIERS + SMOOTH + BOUNDED


class Place(NamedTuple):
    """A layer between the non-linearities that it takes its input from and hands its output to; None: linear."""

    layer: Layer
    before: nn.Module | None
    after: nn.Module | None


def weighted(net: nn.Module) -> Iterator[Layer]:
    """Yield the layers to draw, in the order they were registered."""
    tied = _embedded(net)
    for module in net.modules():
        yield from _layers_of(module, tied)


def feeds(net: nn.Module) -> Iterator[Place]:
    """Yield each layer to draw with the non-linearities registered between it and the weighted layers around it.

    A layer that none follows, as a network's head or an attention's projection, is linear. A non-linearity that
    ``forward`` calls as a function is not seen.
    """
    tied = _embedded(net)
    waiting: list[Layer] = []
    before: nn.Module | None = None
    last: nn.Module | None = None
    seen: set[nn.Module] = set()
    for _, module in net.named_modules(remove_duplicate=False):
        if isinstance(module, (*_WEIGHTED, nn.MultiheadAttention)):
            if module in seen:
                continue
            seen.add(module)
            yield from (Place(layer, before, None) for layer in waiting)
            waiting, before, last = list(_layers_of(module, tied)), last, None
        elif isinstance(module, _ACTIVATIONS):
            yield from (Place(layer, before, module) for layer in waiting)
            waiting, last = [], module
    yield from (Place(layer, before, None) for layer in waiting)


def zero_bias(layer: Layer) -> None:
    """Set a layer's bias to zero, where it has one that trains."""
    if layer.bias is not None and (isinstance(layer, Part) or layer.bias.requires_grad):
        nn.init.zeros_(layer.bias)


def _embedded(net: nn.Module) -> set[Tensor]:
    """Return the weights of a network's embeddings."""
    return {module.weight for module in net.modules() if isinstance(module, nn.Embedding)}


def _layers_of(module: nn.Module, tied: set[Tensor]) -> Iterator[Layer]:
    if isinstance(module, nn.MultiheadAttention):
        yield from _projections(module)
    elif isinstance(module, _WEIGHTED) and module.weight.requires_grad and module.weight not in tied:
        yield module


def _projections(attention: nn.MultiheadAttention) -> Iterator[Part]:
    """Yield what makes queries, keys and values; the output's projection is a linear layer of its own."""
    whole, bias = attention.in_proj_weight, attention.in_proj_bias
    separate = (attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight)
    weights = separate if whole is None else whole.chunk(3)
    biases = (None,) * 3 if bias is None or not bias.requires_grad else bias.detach().chunk(3)
    for weight, own in zip(weights, biases, strict=True):
        if weight.requires_grad:
            yield Part(weight.detach(), own)
