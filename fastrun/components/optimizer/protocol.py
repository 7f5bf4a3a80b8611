"""The parts of an optimizer's interface beside a plain ``step()``: a closure, modes, and values in its groups.

Schedule-free optimizers (Defazio et al. 2024, "The Road Less Scheduled") train with weights y and are evaluated with
their average x; ``train()`` and ``eval()`` switch between the two in place. Optimizers with a line search, such as
LBFGS, compute the loss several times per step, by a closure.
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
    """Say whether ``step`` requires a closure, which computes the loss and the gradients."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def has_modes(optimizer: Optimizer) -> bool:
    """Say whether an optimizer has ``train()`` and ``eval()``, which change the weights in place."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def evaluation_weights(optimizer: Optimizer) -> list[tuple[Tensor, Tensor]] | None:
    """Return each weight with a copy of the values that it has after ``optimizer.eval()``.

    The weights and the optimizer do not change: a twin, which has copies of the weights and shares the optimizer's
    state, is put into evaluation mode.

    Returns:
        Pairs of a weight and its values; None if the optimizer has no modes.
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


def config_values(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the values of each group that come from the config, not from the steps so far.

    A group may hold both, as schedule-free optimizers count their steps there. Values that are arguments of the
    optimizer's constructor come from the config. If ``lr`` is not among its arguments, the constructor takes complete
    groups, and all values come from the config.
    """
    arguments = inspect.signature(type(optimizer)).parameters
    takes_groups = "lr" not in arguments
    return [
        {name: value for name, value in group.items() if name != "params" and (takes_groups or name in arguments)}
        for group in optimizer.param_groups
    ]


def lay_out_state(optimizer: Optimizer) -> None:
    """Give each tensor of an optimizer's state the memory layout of its weight, as where the optimizer had created it.

    A checkpoint's tensors keep the layout that they were saved in, and fused kernels take a weight and its state for
    the same layout. So this is needed where a run goes on in another memory format.
    """
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight, dtype=value.dtype, device=value.device).copy_(value)


def check_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Check that a state has the same groups, of as many weights, as an optimizer.

    Args:
        optimizer: the optimizer.
        state: the state of an optimizer, from a checkpoint.

    Raises:
        ConfigError: it does not, for example because a resumed run has other learning rates by depth or name.
    """
    saved, expected = ([len(group["params"]) for group in one["param_groups"]] for one in (state, vars(optimizer)))
    if saved != expected:
        raise ConfigError(
            f"the checkpoint's optimizer has groups of {saved} weights, this run's optimizer has {expected}",
            "resume with the same optimizer, layer_decay and lr_scale, and do not change weight_decay from or to 0",
        )
