"""A multi-layer perceptron: linear layers with activations."""

from __future__ import annotations

from math import prod
from typing import Literal

from torch import nn

from fastrun.components.norm.layers import Norm
from fastrun.config.constraints import BelowOne, Count
from fastrun.errors import ConfigError

Activation = Literal["relu", "gelu", "tanh", "sigmoid"]
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def mlp(
    in_shape: tuple[int, ...],
    num_classes: int,
    hidden: tuple[Count, ...] = (256, 256),
    activation: Activation = "relu",
    dropout: BelowOne = 0.0,
    norm: Norm | None = None,
    vocabulary: int | None = None,
) -> nn.Module:
    """Build linear layers of the ``hidden`` widths, each with norm, activation and dropout, and a linear head.

    Input ``[batch, *in_shape]``, output logits ``[batch, num_classes]``.

    Args:
        in_shape: the shape of a sample, which is flattened.
        num_classes: the number of outputs.
        hidden: the units of each hidden layer; an empty list gives a linear model.
        activation: ``relu``, ``gelu``, ``tanh`` or ``sigmoid``.
        dropout: the fraction of each layer's outputs that a training step sets to zero.
        norm: builds the norm after a layer; None for no norms, and biases instead.
        vocabulary: the number of different tokens; None for data that is not text.

    Raises:
        ConfigError: the data is text.
    """
    if vocabulary is not None:
        raise ConfigError("model=mlp needs images or vectors; this data is text", "use model=gpt or model=lstm")
    layers: list[nn.Module] = [nn.Flatten()]
    width = prod(in_shape)
    for out in hidden:
        layers.append(nn.Linear(width, out, bias=norm is None))
        if norm:
            layers.append(norm(out, 1))
        layers.append(_ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = out
    return nn.Sequential(*layers, nn.Linear(width, num_classes))
