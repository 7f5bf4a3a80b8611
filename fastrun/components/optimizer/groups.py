"""Parameter groups: weight decay applies to matrices, filters and embeddings, not to norms, biases and positions.

Sources: Loshchilov & Hutter 2019 decay every weight. Exempting vectors (gains, biases) is common practice since Goyal
et al. 2017 and He et al. 2019, "Bag of tricks". Embedding tables are decayed as in nanoGPT; class tokens and positional
parameters are not, as in timm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn


class Parts(NamedTuple):
    """The trainable parameters of a network in three parts, each in the order of ``net.parameters()``.

    Attributes:
        hidden: matrices and filters, except the head's.
        tables: embeddings, and the weight of the head, which is the last linear layer.
        rest: vectors, gains of norms, tokens and positions.
    """

    hidden: list[nn.Parameter]
    tables: list[nn.Parameter]
    rest: list[nn.Parameter]


def parts(net: nn.Module) -> Parts:
    """Return the trainable parameters of a network in three parts.

    A parameter counts as a matrix or a filter if it has two or more dimensions, a name that contains "weight", and a
    module that is not a norm. This holds for linear, convolutional and recurrent layers and the projections of an
    attention, and for custom layers that follow the same convention.
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
    trainable = [parameter for parameter in net.parameters() if parameter.requires_grad]
    hidden, tables = matrices - tables, matrices & tables
    return Parts(
        hidden=[parameter for parameter in trainable if id(parameter) in hidden],
        tables=[parameter for parameter in trainable if id(parameter) in tables],
        rest=[parameter for parameter in trainable if id(parameter) not in matrices],
    )


def decay_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups for an optimizer: matrices, filters and embeddings with weight decay.

    Args:
        net: the network.
        weight_decay: of the first group; 0 puts all parameters into a single group.
    """
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
    """Say whether a module is a norm: its class has "Norm" in its name, and it has no children."""
    return "Norm" in type(module).__name__ and not any(module.children())
