"""What an optimizer asks of the loop that steps it, beside a call of ``step``: a closure, modes, values of its own.

Schedule-free optimizers (Defazio et al. 2024, "The Road Less Scheduled") train at weights y and are evaluated at their
average x, between which ``train()`` and ``eval()`` switch in place. Optimizers that search along a line, such as LBFGS,
compute the loss several times a step.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from fastrun.errors import ConfigError


def needs_closure(optimizer: Optimizer) -> bool:
    """Say whether ``step`` must be given a function that computes loss and gradients anew."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def has_modes(optimizer: Optimizer) -> bool:
    """Say whether an optimizer has ``train()`` and ``eval()``, which change the weights in place."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def evaluation_weights(optimizer: Optimizer) -> list[tuple[Tensor, Tensor]] | None:
    """Return each weight with the values that ``optimizer.eval()`` would give it, as a copy; None if it has no modes.

    Neither weights nor optimizer change: a twin of it, which has copies of the weights and shares its memory, is put
    into that mode.
    """
    if not has_modes(optimizer):
        return None
    twin: Any = object.__new__(type(optimizer))
    twin.__dict__.update(optimizer.__dict__)
    pairs: list[tuple[Tensor, Tensor]] = []
    twin.param_groups = []
    for group in optimizer.param_groups:
        copies = [weight.detach().clone() for weight in group["params"]]
        pairs += zip(group["params"], copies, strict=True)
        twin.param_groups.append({**group, "params": copies})
    states = {copy: dict(optimizer.state[weight]) for weight, copy in pairs if weight in optimizer.state}
    twin.state = defaultdict(dict, states)
    with torch.no_grad():
        twin.eval()
    return pairs


def configured(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the values of each group that come from a config, not from steps that were taken.

    A group may hold both: schedule-free optimizers count their steps there. What the optimizer's constructor takes is
    from the config; all is, where that takes no ``lr`` (a constructor that is given groups, or any arguments).
    """
    taken = inspect.signature(type(optimizer)).parameters
    return [
        {name: value for name, value in group.items() if name != "params" and (name in taken or "lr" not in taken)}
        for group in optimizer.param_groups
    ]


def check_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Check that an optimizer's state is of as many groups and weights as the optimizer has.

    Raises:
        ConfigError: it is of others, as where a resumed run was given other rates by depth or name.
    """
    found, wanted = ([len(group["params"]) for group in one["param_groups"]] for one in (state, vars(optimizer)))
    if found != wanted:
        raise ConfigError(
            f"the checkpoint's optimizer has groups of {found} weights, this one of {wanted}",
            "resume with the optimizer, layer_decay and lr_scale of before, and weight_decay=0 only where it was",
        )
