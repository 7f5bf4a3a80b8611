"""An optimizer's step without what torch does around its fused kernel.

``Optimizer.step`` looks for hooks, gathers and groups tensors anew and opens a profiler's range: 200 µs for a small
network, twice what the kernel itself takes. What it gathers is the same at every step, so it is gathered once here;
the kernels called, and so the weights, are the same to the bit.

A step may be told by a flag on the device to change nothing. Fused kernels look at it themselves; other optimizers are
handed gradients of zero instead, which their momentum and decay outlive: weights stay finite, but not where they are.
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

from fastrun.optimizer.gradient import gradients as gradients_of

Advance = Callable[[], object]
Kernel = Callable[[list[Tensor]], None]  # takes the gradients of a group
Group = tuple[Sequence[Tensor], Kernel]
Values = MutableMapping[str, Any]  # of a group, as they are at the step
States = list[dict[str, Tensor]]  # of a group's weights

_UNKNOWN = ("amsgrad", "maximize", "differentiable", "capturable")  # flags that no option of fastrun sets


def stepper(optimizer: Optimizer, found: Tensor | None = None) -> Advance:
    """Return what advances an optimizer: its own ``step`` or, from the second step on, its fused kernels alone.

    Only torch's Adam, AdamW, SGD and Adagrad with ``fused=True`` are known; a step in which other weights have
    gradients than before, or an SGD without momentum is given some, is left to the optimizer as well. A group's rate,
    decay, momentum and betas are those that it has at the step.

    Args:
        optimizer: any.
        found: float32 without dimensions, on the device of the weights: a step in which it is 1 takes no gradient in.
    """
    if found is not None:
        if not getattr(optimizer, "_step_supports_amp_scaling", False):  # torch's mark of its fused kernels
            return _masking(optimizer, found)
        optimizer.found_inf = found  # type: ignore[attr-defined]  # for the steps that the optimizer takes itself
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
            groups = _groups(optimizer, found)  # after a step, for it makes the optimizer's memory
            idle = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is None]
            plain = [group for group in optimizer.param_groups if not group.get("momentum", True)]

    return advance if _is_known(optimizer) else optimizer.step


def _masking(optimizer: Optimizer, found: Tensor) -> Advance:
    """Return a step whose gradients are zeros where ``found`` is 1, a not-a-number among them or not.

    Multiplying would not do for those; torch's fused SGD adds to zeros unless it is told not to, in one kernel for all.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    values = {"weight_decay": 0.0, "momentum": 0.0, "lr": -1.0, "dampening": 0.0, "nesterov": False}
    add = partial(torch._fused_sgd_, **values, maximize=False, is_first_step=False, found_inf=found)

    def advance() -> None:
        gradients = gradients_of(weights)
        for dtype in {gradient.dtype for gradient in gradients}:
            some = [gradient for gradient in gradients if gradient.dtype == dtype]
            sums = [torch.empty_like(gradient) for gradient in some]
            torch._foreach_zero_(sums)
            add(sums, some, [])
            torch._foreach_copy_(some, sums)
        optimizer.step()

    return advance


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


def _groups(optimizer: Optimizer, found: Tensor | None) -> list[Group]:
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
        groups.append((weights, kernel_of(seen, states, found)))
    return groups


def _adam(kernel: Callable[..., object], group: Values, states: States, found: Tensor | None) -> Kernel:
    first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    weights = group["params"]
    step = partial(kernel, eps=group["eps"], amsgrad=False, maximize=False, found_inf=found)

    def run(gradients: list[Tensor]) -> None:
        torch._foreach_add_(steps, 1)
        rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        step(weights, gradients, first, second, [], steps, lr=rate, weight_decay=decay, beta1=beta1, beta2=beta2)

    return run


def _sgd(group: Values, states: States, found: Tensor | None) -> Kernel:
    memory = [state["momentum_buffer"] for state in states] if group["momentum"] else []
    names = ("dampening", "nesterov", "maximize")
    own = {name: group[name] for name in names}
    step = partial(torch._fused_sgd_, **own, is_first_step=False, found_inf=found)
    weights = group["params"]

    def run(gradients: list[Tensor]) -> None:
        rate, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
        step(weights, gradients, memory if momentum else [], lr=rate, weight_decay=decay, momentum=momentum)

    return run


def _adagrad(group: Values, states: States, found: Tensor | None) -> Kernel:
    sums, steps = ([state[name] for state in states] for name in ("sum", "step"))
    own = {"lr_decay": group["lr_decay"], "eps": group["eps"]}
    step = partial(torch._fused_adagrad_, **own, maximize=False, found_inf=found)

    def run(gradients: list[Tensor]) -> None:
        torch._foreach_add_(steps, 1)
        step(group["params"], gradients, sums, steps, lr=group["lr"], weight_decay=group["weight_decay"])

    return run


_KERNELS: dict[type, Callable[[Values, States, Tensor | None], Kernel]] = {
    Adam: partial(_adam, torch._fused_adam_),
    AdamW: partial(_adam, torch._fused_adamw_),
    SGD: _sgd,
    Adagrad: _adagrad,
}
