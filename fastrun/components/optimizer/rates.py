"""Learning rates by parameter: an optimizer's groups are split by the factor of their learning rate.

Sources: rates that decrease with the depth are from Clark et al. 2020, "ELECTRA", and Bao et al. 2022, "BEiT". A higher
rate for a new head is common in fine-tuning (Howard & Ruder 2018, "ULMFiT", use a rate for each layer).
"""

from __future__ import annotations

import fnmatch
import math
from collections import defaultdict
from collections.abc import Mapping

from torch import nn
from torch.optim import LBFGS, Optimizer

from fastrun.components.optimizer.depth import depths
from fastrun.components.optimizer.rate_values import check_rate_values
from fastrun.errors import ConfigError, nearest


def scale_rates(optimizer: Optimizer, net: nn.Module, factors: Mapping[str, float]) -> None:
    """Multiply the learning rate of each parameter by its factor, and split the groups where factors differ.

    Call this before the first step. The parts of a group keep all its other values. Groups stay in their order, and the
    part with the factor one comes first, so the same factors give the same groups and a checkpoint of one run fits
    another one.

    Args:
        optimizer: an optimizer whose groups have an ``lr``; changed in place.
        net: the network whose parameters it has.
        factors: at least 0, by the parameter's name in ``net.named_parameters()``; the default is 1.

    Raises:
        ConfigError: a factor is negative or not finite, or the optimizer allows only one learning rate.
    """
    wrong = next((name for name, factor in factors.items() if not (math.isfinite(factor) and factor >= 0)), None)
    if wrong is not None:
        raise ConfigError(f"the learning rate of {wrong} cannot be multiplied by {factors[wrong]}", "use 0 or above")
    if all(factor == 1 for factor in factors.values()):
        return
    factor_of = {id(parameter): float(factors.get(name, 1.0)) for name, parameter in net.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        members = defaultdict(list)
        for parameter in group["params"]:
            members[factor_of.get(id(parameter), 1.0)].append(parameter)
        for factor in sorted(members, key=lambda factor: (factor != 1, -factor)):
            groups.append({**group, "params": members[factor], "lr": group["lr"] * factor})
    if isinstance(optimizer, LBFGS) and len(groups) > 1:
        raise ConfigError(
            "LBFGS has one learning rate for all parameters", "use optimizer.layer_decay=1 and no optimizer.lr_scale"
        )
    optimizer.param_groups[:] = groups


def rate_factors(net: nn.Module, layer_decay: float, lr_scale: Mapping[str, float]) -> dict[str, float]:
    """Return the factor of each parameter's learning rate: ``layer_decay ** depth`` times those of matching patterns.

    Args:
        net: the network.
        layer_decay: above 0, and at most 1, which means no decay.
        lr_scale: factors by glob pattern (``head.*``) of the names in ``net.named_parameters()``.

    Raises:
        ConfigError: a value is out of range, or a pattern matches no parameter.
    """
    check_rate_values(layer_decay, lr_scale)
    factors = {name: layer_decay**depth for name, depth in depths(net).items()}
    for pattern, factor in lr_scale.items():
        matching = [name for name in factors if fnmatch.fnmatchcase(name, str(pattern))]
        if not matching:
            raise ConfigError(
                f"optimizer.lr_scale: no parameter is named {pattern}", _nearest(str(pattern), list(factors))
            )
        for name in matching:
            factors[name] *= factor
    return factors


def _nearest(pattern: str, names: list[str]) -> str:
    return nearest(pattern, names) or f"there are {', '.join(names[:3])}, … {names[-1]}"
