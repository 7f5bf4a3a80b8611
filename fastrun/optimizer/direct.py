"""An optimizer's step without what torch does around its fused kernel.

``Optimizer.step`` looks for hooks, gathers and groups tensors anew and opens a profiler's range: 200 µs for a small
network, twice what the kernel itself takes. What it gathers is the same at every step, so it is gathered once here;
the kernels called, and so the weights, are the same to the bit.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer
from torch.optim import optimizer as of_torch

Advance = Callable[[], object]
Kernel = Callable[[list[Tensor]], None]  # takes the gradients of a group
Group = tuple[Sequence[Tensor], Kernel]
Values = MutableMapping[str, Any]  # of a group, as they are at the step

_UNKNOWN = ("amsgrad", "maximize", "differentiable", "capturable")  # flags that no option of fastrun sets


def stepper(optimizer: Optimizer) -> Advance:
    """Return what advances an optimizer: its own ``step`` or, from the second step on, its fused kernels alone.

    Only torch's Adam, AdamW, SGD and Adagrad with ``fused=True`` are known; a step in which other weights have
    gradients than before, or an SGD without momentum is given some, is left to the optimizer as well. A group's rate,
    decay, momentum and betas are those that it has at the step.
    """
    groups: list[Group] | None = None
    plain: list[dict[str, Any]] = []  # groups of an SGD that have no memory of gradients
    idle: list[Tensor] = []  # weights that had no gradient when the groups were made

    def advance() -> None:
        nonlocal groups, plain, idle
        if plain and any(group["momentum"] for group in plain):
            groups = None
        if idle and any(weight.grad is not None for weight in idle):
            groups = None
        if groups:
            gradients = [[weight.grad for weight in weights] for weights, _ in groups]
            if not any(gradient is None for some in gradients for gradient in some):
                with torch.no_grad():
                    for (_, kernel), some in zip(groups, gradients, strict=True):
                        kernel(some)  # type: ignore[arg-type]
                return
        optimizer.step()
        if groups is None:
            groups = _groups(optimizer)  # after a step, for it makes the optimizer's memory
            idle = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is None]
            plain = [group for group in optimizer.param_groups if not group.get("momentum", True)]

    return advance if _is_known(optimizer) else optimizer.step


def _is_known(optimizer: Optimizer) -> bool:
    groups = optimizer.param_groups
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        of_torch._global_optimizer_pre_hooks,
        of_torch._global_optimizer_post_hooks,
    )
    return (
        type(optimizer) in _KERNELS
        and not any(hooks)
        and all(group["fused"] for group in groups)
        and not any(group.get(flag) for group in groups for flag in _UNKNOWN)
    )


def _groups(optimizer: Optimizer) -> list[Group]:
    """Return the kernel of each group, over its weights that have gradients.

    There are none at all where torch would have to cut a group by device or type.
    """
    kernel_of = _KERNELS[type(optimizer)]
    groups: list[Group] = []
    for group in optimizer.param_groups:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            continue
        states = [optimizer.state.get(weight, {}) for weight in weights]
        if len({(weight.device, weight.dtype) for weight in weights}) > 1 or len({frozenset(s) for s in states}) > 1:
            return []
        seen = group if len(weights) == len(group["params"]) else ChainMap({"params": weights}, group)
        groups.append((weights, kernel_of(seen, states)))
    return groups


def _adam(kernel: Callable[..., object], group: Values, states: list[dict[str, Tensor]]) -> Kernel:
    first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    weights = group["params"]
    step = partial(kernel, eps=group["eps"], amsgrad=False, maximize=False)

    def run(gradients: list[Tensor]) -> None:
        torch._foreach_add_(steps, 1)
        rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        step(weights, gradients, first, second, [], steps, lr=rate, weight_decay=decay, beta1=beta1, beta2=beta2)

    return run


def _sgd(group: Values, states: list[dict[str, Tensor]]) -> Kernel:
    memory = [state["momentum_buffer"] for state in states] if group["momentum"] else []
    names = ("dampening", "nesterov", "maximize")
    step = partial(torch._fused_sgd_, **{name: group[name] for name in names}, is_first_step=False)
    weights = group["params"]

    def run(gradients: list[Tensor]) -> None:
        rate, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
        step(weights, gradients, memory if momentum else [], lr=rate, weight_decay=decay, momentum=momentum)

    return run


def _adagrad(group: Values, states: list[dict[str, Tensor]]) -> Kernel:
    sums, steps = ([state[name] for state in states] for name in ("sum", "step"))
    step = partial(torch._fused_adagrad_, lr_decay=group["lr_decay"], eps=group["eps"], maximize=False)

    def run(gradients: list[Tensor]) -> None:
        torch._foreach_add_(steps, 1)
        step(group["params"], gradients, sums, steps, lr=group["lr"], weight_decay=group["weight_decay"])

    return run


_KERNELS: dict[type, Callable[[Values, list[dict[str, Tensor]]], Kernel]] = {
    Adam: partial(_adam, torch._fused_adam_),
    AdamW: partial(_adam, torch._fused_adamw_),
    SGD: _sgd,
    Adagrad: _adagrad,
}
