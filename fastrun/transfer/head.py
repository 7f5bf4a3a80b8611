"""The head of a network: the layer that turns what the body found into outputs, the part that a new task replaces."""

from __future__ import annotations

from torch import nn

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def head_of(net: nn.Module) -> list[nn.Module]:
    """Return the head: the classifier of a network of timm, else the linear layer that was registered last.

    A network without linear layers has its last convolution for a head; one with neither has none. Networks of timm
    that were distilled have two classifiers.
    """
    for module in net.modules():
        if callable(getattr(module, "get_classifier", None)):
            found = module.get_classifier()  # type: ignore[operator]
            heads = [part for part in (found if isinstance(found, (tuple, list)) else [found]) if _has_weights(part)]
            if heads:
                return heads
    layers: list[nn.Module] = [module for module in net.modules() if isinstance(module, _WEIGHTED)]
    linear: list[nn.Module] = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return (linear or layers)[-1:]


def head_names(net: nn.Module) -> set[str]:
    """Return what a network's state dict calls the tensors of its head."""
    heads = head_of(net)
    found = {name: module for name, module in net.named_modules() if any(module is head for head in heads)}
    return {f"{name}.{inner}".removeprefix(".") for name, module in found.items() for inner in module.state_dict()}


def body_of(net: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are not the head's; one that both use is the head's."""
    of_head = {id(parameter) for head in head_of(net) for parameter in head.parameters()}
    return [parameter for parameter in net.parameters() if id(parameter) not in of_head]


def _has_weights(part: object) -> bool:
    return isinstance(part, nn.Module) and any(True for _ in part.parameters())
