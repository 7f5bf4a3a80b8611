"""Which layers an initialization acts on, and the non-linearity that each of them feeds."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
_ACTIVATIONS = {
    nn.ReLU: "relu", nn.LeakyReLU: "leaky_relu", nn.GELU: "relu", nn.SiLU: "relu", nn.ELU: "relu", nn.SELU: "selu",
    nn.Hardswish: "relu", nn.Mish: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid",
}  # fmt: skip


def weighted(net: nn.Module) -> Iterator[Weighted]:
    """Yield the linear and convolutional layers of a network, in the order they were registered."""
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            yield module


def feeds(net: nn.Module) -> Iterator[tuple[Weighted, str]]:
    """Yield each weighted layer with the non-linearity registered next after it, before the next weighted layer.

    The names are those of :func:`torch.nn.init.calculate_gain`; a layer that none follows, as a network's head, is
    ``linear``. GELU and SiLU count as ``relu``: their gains differ from its by a few percent.
    """
    waiting: Weighted | None = None
    seen: set[nn.Module] = set()
    for _, module in net.named_modules(remove_duplicate=False):
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            if module in seen:
                continue
            seen.add(module)
            if waiting is not None:
                yield waiting, "linear"
            waiting = module
        elif waiting is not None and type(module) in _ACTIVATIONS:
            yield waiting, _ACTIVATIONS[type(module)]
            waiting = None
    if waiting is not None:
        yield waiting, "linear"


def zero_bias(layer: Weighted) -> None:
    """Set a layer's bias to zero, where it has one."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
