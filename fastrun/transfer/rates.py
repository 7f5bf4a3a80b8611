"""How fast what was loaded trains: slower than the head, and the slower the further from it.

Source: Howard & Ruder 2018, "Universal language model fine-tuning for text classification": discriminative rates.
"""

from __future__ import annotations

from torch import nn
from torch.optim import LBFGS, Optimizer

from fastrun.errors import ConfigError
from fastrun.optimizer.depth import depths
from fastrun.optimizer.rates import scale_rates
from fastrun.transfer.head import body_of


def slow_body(optimizer: Optimizer, net: nn.Module, lr_scale: float, layer_decay: float) -> None:
    """Multiply the learning rates of the body's parameters, splitting an optimizer's groups; see :func:`body_rates`.

    No group holds parameters of both body and head, whatever the factors: a fused kernel takes a group in which all
    have momentum or none has yet, and those of a body that was frozen get theirs later than the head's.

    Raises:
        ConfigError: a value is out of its range, or the optimizer has one rate for all parameters.
    """
    if isinstance(optimizer, LBFGS):
        raise ConfigError("transfer=finetune trains layers at rates of their own, LBFGS at one", "use optimizer=adamw")
    factors = body_rates(net, lr_scale, layer_decay)
    scale_rates(optimizer, net, dict.fromkeys(factors, 2.0))  # parts them, even where the factors are one
    scale_rates(optimizer, net, {name: factor / 2 for name, factor in factors.items()})


def body_rates(net: nn.Module, lr_scale: float, layer_decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each parameter of the body: ``lr_scale * layer_decay ** depth``.

    Raises:
        ConfigError: a value is not above 0, or the decay above 1.
    """
    if not lr_scale > 0:
        raise ConfigError(f"transfer.lr_scale={lr_scale} is not above 0", "a body that never trains: linear_probe")
    if not 0 < layer_decay <= 1:
        raise ConfigError(f"transfer.layer_decay={layer_decay} is not in (0, 1]", "1 is none, 0.65 to 0.9 are usual")
    body, depth_of = {id(weight) for weight in body_of(net)}, depths(net)
    return {
        name: lr_scale * layer_decay ** depth_of[name] for name, weight in net.named_parameters() if id(weight) in body
    }
