"""How deep below its output each parameter of a network lies: what layer-wise rates and freezing go by.

Source: Clark et al. 2020, "ELECTRA", and Bao et al. 2022, "BEiT", count so: the head is 0, the block below it 1, and
the embeddings, all together, are the deepest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from torch import nn

from fastrun.optimizer.groups import is_norm

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Part(NamedTuple):
    """A module that is not looked into, or the parameters that a module has beside its children."""

    names: list[str]
    kind: str  # block, layer (has no modules in it), embedding, vectors (gains and biases alone) or loose (of no layer)


def depths(net: nn.Module) -> dict[str, int]:
    """Return the depth from the top of each parameter, by its name in ``net.named_parameters()``; the head is 0.

    Modules count in the order that they were registered in: the network's own and, within them, the items of containers
    (``nn.Sequential``, lists and dicts of modules) and the parts of a module that holds a container of blocks. Any
    other module is one depth, whatever is in it. Four kinds of part have none of their own:

    - a norm goes with the single layer before it or, after a block, with what follows (a last norm with the head);
    - an embedding goes with an embedding just before it;
    - parameters of no layer (class tokens, positions) go with what is before them, the first of all with what follows;
    - a weight that is used twice is where its first name is.
    """
    layers: list[list[str]] = []
    waiting: list[str] = []  # go with the layer that comes next
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
    found = {name: depth for depth, layer in enumerate(reversed(layers)) for name in layer}
    return {name: found[name] for name, _ in net.named_parameters()}


def _parts(net: nn.Module) -> Iterator[_Part]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    top = net
    while len(inner := [child for child in top.children() if any(True for _ in child.parameters())]) == 1:
        if any(True for _ in top.parameters(recurse=False)) or not any(inner[0].children()):
            break
        top = inner[0]  # a mere wrapper
    yield from _within(top, names)


def _within(module: nn.Module, names: dict[int, str]) -> Iterator[_Part]:
    """Yield a module's parts that have parameters, taking these out of the names that have no place yet."""
    if own := _taken(module.parameters(recurse=False), names):
        yield _Part(own, "loose")
    for child in module.children():
        if _is_looked_into(child):
            yield from _within(child, names)
        elif found := _taken(child.parameters(), names):
            yield _Part(found, _kind(child))


def _taken(parameters: Iterable[nn.Parameter], names: dict[int, str]) -> list[str]:
    return [names.pop(id(parameter)) for parameter in parameters if id(parameter) in names]


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Embedding):
        return "embedding"
    if is_norm(module) or all(parameter.ndim < 2 for parameter in module.parameters()):
        return "vectors"
    return "block" if any(module.children()) else "layer"


def _is_looked_into(module: nn.Module) -> bool:
    """Say whether a module's parts have depths of their own: a container, or what holds a container of blocks."""
    inner = [child for child in module.children() if isinstance(child, _CONTAINERS)]
    return isinstance(module, _CONTAINERS) or any(sum(map(_is_block, container.children())) > 1 for container in inner)


def _is_block(module: nn.Module) -> bool:
    return not isinstance(module, _CONTAINERS) and any(module.children()) and any(True for _ in module.parameters())
