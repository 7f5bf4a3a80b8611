"""The layers that an initialization sets, and the activations before and after each of them.

They are linear layers, convolutions, and the projections of :class:`torch.nn.MultiheadAttention`, each of the three by
itself. Three kinds of weights keep the values that the model's factory gave them:

* frozen weights: a factory freezes weights that must not change, such as fixed filters or a pretrained body, and
  training could not repair them;
* embeddings, and matrices that are tied to one: a row is looked up, not summed, so there is no fan-in. PyTorch draws
  rows of variance one, which the layers after them expect;
* recurrent layers: PyTorch's initialization suits their gates, whose biases a factory may have set on purpose.

``init=trunc_normal`` and ``init=orthogonal`` set other weights as well; their docstrings say which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn


class Part(NamedTuple):
    """A matrix ``[out, in]`` that is stored as a part of a larger matrix, and its bias ``[out]``."""

    weight: Tensor
    bias: Tensor | None


Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
Layer = Weighted | Part

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU)
SMOOTH = (nn.GELU, nn.SiLU, nn.ELU, nn.CELU, nn.SELU, nn.Mish, nn.Hardswish, nn.Softplus)
BOUNDED = (nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Sigmoid, nn.Hardsigmoid)
_ACTIVATIONS = RECTIFIERS + SMOOTH + BOUNDED


class ActivatedLayer(NamedTuple):
    """A layer with the activations of its inputs and of its outputs; None for no activation."""

    layer: Layer
    before: nn.Module | None
    after: nn.Module | None


def weighted(net: nn.Module) -> Iterator[Layer]:
    """Yield the layers that an initialization sets, in the order in which they were registered."""
    tied = _embedded(net)
    for module in net.modules():
        yield from _layers_of(module, tied)


def activated_layers(net: nn.Module) -> Iterator[ActivatedLayer]:
    """Yield each layer of :func:`weighted` with the activations registered before and after it.

    The activation before a layer is the last one between it and the weighted layer before it; the activation after it
    is the first one that follows. The head of a network and the projections of an attention have none after them. An
    activation that ``forward`` calls as a function is not seen.
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
            yield from (ActivatedLayer(layer, before, None) for layer in waiting)
            waiting, before, last = list(_layers_of(module, tied)), last, None
        elif isinstance(module, _ACTIVATIONS):
            yield from (ActivatedLayer(layer, before, module) for layer in waiting)
            waiting, last = [], module
    yield from (ActivatedLayer(layer, before, None) for layer in waiting)


def zero_bias(layer: Layer) -> None:
    """Set a layer's bias to zero, if it has a bias that is trained."""
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
    """Yield the projections to queries, keys and values; the projection of the output is a linear layer."""
    whole, bias = attention.in_proj_weight, attention.in_proj_bias
    separate = (attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight)
    weights = separate if whole is None else whole.chunk(3)
    biases = (None,) * 3 if bias is None or not bias.requires_grad else bias.detach().chunk(3)
    for weight, own in zip(weights, biases, strict=True):
        if weight.requires_grad:
            yield Part(weight.detach(), own)
