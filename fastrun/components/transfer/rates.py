"""Learning rates of a loaded body: lower than the head's, and lower still the further a layer is from the head.

Source: Howard & Ruder 2018, "Universal language model fine-tuning for text classification": discriminative rates.
"""

from __future__ import annotations

from torch import nn
from torch.optim import LBFGS, Optimizer

from fastrun.components.optimizer.depth import depths
from fastrun.components.optimizer.rates import scale_rates
from fastrun.components.transfer.head import body_of
from fastrun.errors import ConfigError


def scale_body_rates(optimizer: Optimizer, net: nn.Module, lr_scale: float, layer_decay: float) -> None:
    """Multiply the learning rates of the body's parameters, splitting the optimizer's groups as needed.

    Afterwards no group contains parameters of both body and head, even if the factors are 1: in a fused kernel either
    all parameters of a group have momentum or none has, and a body that was frozen gets its momentum later.

    Args:
        optimizer: the optimizer, before its first step.
        net: the network.
        lr_scale: see :func:`body_rates`.
        layer_decay: see :func:`body_rates`.

    Raises:
        ConfigError: the optimizer has one rate for all parameters.
    """
    if isinstance(optimizer, LBFGS):
        raise ConfigError("transfer=finetune needs a learning rate per layer, but LBFGS has one", "use optimizer=adamw")
    factors = body_rates(net, lr_scale, layer_decay)
    scale_rates(optimizer, net, dict.fromkeys(factors, 2.0))  # splits groups even where the factors are 1
    scale_rates(optimizer, net, {name: factor / 2 for name, factor in factors.items()})


def body_rates(net: nn.Module, lr_scale: float, layer_decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter of the body, by the parameter's name.

    Args:
        net: the network.
        lr_scale: the factor of the layer next to the head; above 0.
        layer_decay: by how much the factor decreases from layer to layer: ``lr_scale * layer_decay ** depth``; in
            (0, 1].
    """
    body, depth_of = {id(weight) for weight in body_of(net)}, depths(net)
    return {
        name: lr_scale * layer_decay ** depth_of[name] for name, weight in net.named_parameters() if id(weight) in body
    }
