"""The head of a network: the layer that turns the body's features into outputs, which a new task replaces."""

from __future__ import annotations

from torch import nn

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def head_of(net: nn.Module) -> list[nn.Module]:
    """Return the head: the classifier of a network from timm, otherwise the linear layer that was registered last.

    In a network without linear layers, the last convolution is the head. A network with neither has no head. Distilled
    networks from timm have two classifiers.
    """
    for module in net.modules():
        if heads := _classifiers(module):
            return heads
    layers: list[nn.Module] = [module for module in net.modules() if isinstance(module, _LAYERS)]
    linear: list[nn.Module] = [layer for layer in layers if isinstance(layer, nn.Linear)]
    return (linear or layers)[-1:]


def _classifiers(module: nn.Module) -> list[nn.Module]:
    """Return the classifiers that a network from timm names as its own; empty for any other module."""
    if not callable(getattr(module, "get_classifier", None)):
        return []
    classifier = module.get_classifier()  # type: ignore[operator]
    candidates = classifier if isinstance(classifier, (tuple, list)) else [classifier]
    return [candidate for candidate in candidates if _has_weights(candidate)]


def _has_weights(part: object) -> bool:
    return isinstance(part, nn.Module) and any(True for _ in part.parameters())


def head_names(net: nn.Module) -> set[str]:
    """Return the names that the head's tensors have in the network's state dict."""
    heads = {id(head) for head in head_of(net)}
    modules = {name: module for name, module in net.named_modules() if id(module) in heads}
    return {f"{name}.{inner}".removeprefix(".") for name, module in modules.items() for inner in module.state_dict()}


def body_of(net: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that do not belong to the head; one that both use belongs to the head."""
    of_head = {id(parameter) for head in head_of(net) for parameter in head.parameters()}
    return [parameter for parameter in net.parameters() if id(parameter) not in of_head]
