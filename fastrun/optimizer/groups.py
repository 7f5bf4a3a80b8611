"""Parameters by what they are, and in groups: norms, biases and positions are not decayed.

Sources: Loshchilov & Hutter 2019 decay every weight; leaving out vectors (gains, biases) is common practice since
Goyal et al. 2017 and He et al. 2019, "Bag of tricks". Embedding tables are decayed, as nanoGPT does; class tokens and
positional parameters are not, as in timm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn


class Parts(NamedTuple):
    """The trainable parameters of a network, each in one part, in the order of ``net.parameters()``."""

    hidden: list[nn.Parameter]  # matrices and filters, all but the head's
    tables: list[nn.Parameter]  # embeddings and the head: the weight of the last linear layer
    rest: list[nn.Parameter]  # vectors, gains of norms, tokens and positions


def parts(net: nn.Module) -> Parts:
    """Part the trainable parameters of a network.

    A matrix or filter is a parameter of two or more dimensions whose name says that it is a weight and whose module is
    no norm: that of a linear, convolutional or recurrent layer, an attention's projection, or of a layer of one's own.
    """
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    tables = {id(linear[-1].weight)} if linear else set()
    matrices = set()
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= 2 and "weight" in name and not is_norm(module):
                matrices.add(id(parameter))
                if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
                    tables.add(id(parameter))
    found = Parts([], [], [])
    for parameter in net.parameters():
        if parameter.requires_grad:
            place = 2 if id(parameter) not in matrices else 1 if id(parameter) in tables else 0
            found[place].append(parameter)
    return found


def decayed(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups: matrices, filters and embeddings decayed, the others not."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not weight_decay:
        return [{"params": parameters}]
    exempt = set(map(id, parts(net).rest))
    groups = [
        {"params": [p for p in parameters if id(p) not in exempt], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) in exempt], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def is_norm(module: nn.Module) -> bool:
    """Say whether a module is a normalization: one of torch, or one that calls itself so."""
    return "Norm" in type(module).__name__ and not any(module.children())
