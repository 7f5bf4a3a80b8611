"""The depth of each parameter of a network below its output, for layer-wise learning rates and freezing.

Source: Clark et al. 2020, "ELECTRA", and Bao et al. 2022, "BEiT", count in this way: the head has depth 0, the block
below it 1, and all embeddings together are the deepest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import nn

from fastrun.components.optimizer.groups import is_norm

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Part(NamedTuple):
    """The parameters of a module that has a single depth, or those that a module has beside its children.

    Attributes:
        names: the names of the parameters.
        kind: block, layer (without modules inside), embedding, vectors (only gains and biases) or loose (of no layer).
    """

    names: list[str]
    kind: str


def depths(net: nn.Module) -> dict[str, int]:
    """Return the depth from the top of each parameter, by its name in ``net.named_parameters()``; the head is 0.

    Modules count in the order in which they were registered. The items of containers (``nn.Sequential``, lists and
    dicts of modules) and the children of a module that holds a container of blocks have depths of their own; any other
    module has a single depth, whatever it contains. Four kinds of parameters share the depth of others:

    - a norm has the depth of the single layer before it or, after a block, of the layer that follows (for the last norm
      this is the head);
    - an embedding has the depth of an embedding directly before it;
    - parameters of no layer (class tokens, positions) have the depth of the layer before them or, at the start, of the
      layer that follows;
    - a weight that is used twice has the depth of its first name.
    """
    layers: list[list[str]] = []
    waiting: list[str] = []  # belong to the next layer
    last = ""
    for names, kind in _parts(net):
        joins = (kind == "vectors" and last in ("layer", "embedding")) or (kind == last == "embedding")
        if layers and (joins or kind == "loose"):
            layers[-1] += names
        elif kind in ("vectors", "loose"):
            waiting += names
        else:
            layers.append(waiting + names)
            waiting, last = [], kind
    if waiting:
        layers[-1:] = [[*(layers[-1] if layers else []), *waiting]]
    depth_of = {name: depth for depth, layer in enumerate(reversed(layers)) for name in layer}
    return {name: depth_of[name] for name, _ in net.named_parameters()}


def _parts(net: nn.Module) -> Iterator[_Part]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    top = net
    while len(inner := [child for child in top.children() if any(True for _ in child.parameters())]) == 1:
        if any(True for _ in top.parameters(recurse=False)) or not any(inner[0].children()):
            break
        top = inner[0]  # it only wraps another module
    yield from _within(top, names)


def _within(module: nn.Module, names: dict[int, str]) -> Iterator[_Part]:
    """Yield the parts of a module that have parameters, and remove these from the names that are left."""
    if own := _take(module.parameters(recurse=False), names):
        yield _Part(own, "loose")
    for child in module.children():
        if _has_inner_depths(child):
            yield from _within(child, names)
        elif taken := _take(child.parameters(), names):
            yield _Part(taken, _kind(child))


def _take(parameters: Iterable[nn.Parameter], names: dict[int, str]) -> list[str]:
    return [names.pop(id(parameter)) for parameter in parameters if id(parameter) in names]


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Embedding):
        return "embedding"
    if is_norm(module) or all(parameter.ndim < 2 for parameter in module.parameters()):
        return "vectors"
    return "block" if any(module.children()) else "layer"


def _has_inner_depths(module: nn.Module) -> bool:
    """Say whether the children of a module have depths of their own: of a container, or of a module that holds one."""
    inner = [child for child in module.children() if isinstance(child, _CONTAINERS)]
    return isinstance(module, _CONTAINERS) or any(sum(map(_is_block, container.children())) > 1 for container in inner)


def _is_block(module: nn.Module) -> bool:
    return not isinstance(module, _CONTAINERS) and any(module.children()) and any(True for _ in module.parameters())
