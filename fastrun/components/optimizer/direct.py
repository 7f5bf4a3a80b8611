"""An optimizer's step without the work that torch does around its fused kernels.

At each step, ``Optimizer.step`` looks for hooks, gathers and groups the tensors, and opens a profiler range. This takes
200 µs for a small network, twice as long as the kernel itself. The tensors are the same at every step, so they are
gathered once here. The same kernels are called, so the weights are the same to the bit.

A flag on the device can make a step change nothing. Fused kernels read it themselves. Other optimizers get gradients of
zero instead: their momentum and decay still move the weights, which stay finite.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, MutableMapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from fastrun.components.optimizer.gradient import gradients as gradients_of
from fastrun.system import torch_internals

Step = Callable[[], object]
Kernel = Callable[[list[Tensor]], None]  # takes the gradients of a group's weights
Group = tuple[Sequence[Tensor], Kernel]  # weights, and what updates them
Values = MutableMapping[str, Any]  # of a group, as they are at the step
States = list[dict[str, Tensor]]  # the optimizer's state of each of a group's weights

_UNSUPPORTED = ("amsgrad", "maximize", "differentiable", "capturable")  # flags that no option of fastrun sets


def build_step(optimizer: Optimizer, found_inf: Tensor | None = None) -> Step:
    """Return a function that advances an optimizer by one step.

    It is a :class:`FusedStep` for torch's Adam, AdamW, SGD and Adagrad with ``fused=True``, and the optimizer's own
    ``step`` for all others.

    Args:
        optimizer: any optimizer.
        found_inf: a flag, float32 without dimensions, on the device of the weights; a step in which it is 1 ignores the
            gradients. None for no flag.
    """
    if found_inf is not None:
        if not torch_internals.takes_found_inf(optimizer):
            return _masked_step(optimizer, found_inf)
        optimizer.found_inf = found_inf  # type: ignore[attr-defined]  # for the steps that the optimizer takes itself
    return FusedStep(optimizer, found_inf) if _has_fused_step(optimizer) else optimizer.step


class FusedStep:
    """Advances an optimizer by its fused kernels alone, from the second step on.

    The optimizer takes a step itself where its state has to be created: at the first step, when weights have gradients
    that had none before, and when the momentum of an SGD becomes nonzero. Each step uses the learning rate, the weight
    decay, the momentum and the betas that a group has at that time.

    Args:
        optimizer: one for which :func:`build_step` has found fused kernels.
        found_inf: the flag, or None.
    """

    def __init__(self, optimizer: Optimizer, found_inf: Tensor | None) -> None:
        self._optimizer, self._found_inf = optimizer, found_inf
        self._groups: list[Group] | None = None  # None: not gathered yet; empty: the kernels do not fit
        self._without_momentum: list[dict[str, Any]] = []  # groups of an SGD whose momentum was zero then
        self._without_gradient: list[Tensor] = []  # weights that had none when the groups were gathered

    def __call__(self) -> None:
        """Advance the optimizer by one step."""
        gradients = self._gradients()
        if gradients is None:
            self._optimizer.step()
            if self._groups is None:
                self._gather()  # after a step, since that creates the optimizer's state
            return
        assert self._groups is not None
        with torch.no_grad():
            for (_, kernel), group in zip(self._groups, gradients, strict=True):
                kernel(group)

    def _gradients(self) -> list[list[Tensor]] | None:
        """Return the gradients of each group's weights; None where the optimizer has to take the step itself."""
        if self._without_momentum and any(group["momentum"] for group in self._without_momentum):
            self._groups = None
        if self._without_gradient and any(weight.grad is not None for weight in self._without_gradient):
            self._groups = None
        if not self._groups:
            return None
        gradients = [[weight.grad for weight in weights] for weights, _ in self._groups]
        if any(gradient is None for group in gradients for gradient in group):
            return None
        return gradients  # type: ignore[return-value]

    def _gather(self) -> None:
        groups = self._optimizer.param_groups
        self._groups = _gathered(self._optimizer, self._found_inf)
        self._without_momentum = [group for group in groups if not group.get("momentum", True)]
        self._without_gradient = [weight for group in groups for weight in group["params"] if weight.grad is None]


def _masked_step(optimizer: Optimizer, found_inf: Tensor) -> Step:
    """Return the optimizer's own step, with gradients of zero where ``found_inf`` is 1, even if some are NaN."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def step() -> None:
        gradients = gradients_of(weights)
        for dtype in {gradient.dtype for gradient in gradients}:
            _mask([gradient for gradient in gradients if gradient.dtype == dtype], found_inf)
        optimizer.step()

    return step


def _mask(gradients: list[Tensor], found_inf: Tensor) -> None:
    """Set gradients of one dtype to zero where ``found_inf`` is 1; multiplying by zero would keep a NaN."""
    fused_sgd = torch_internals.fused_sgd_
    if fused_sgd is None:
        is_bad = found_inf.bool()
        for gradient in gradients:
            gradient.masked_fill_(is_bad, 0.0)
        return
    values = {"weight_decay": 0.0, "momentum": 0.0, "lr": -1.0, "dampening": 0.0, "nesterov": False}
    sums = [torch.empty_like(gradient) for gradient in gradients]
    torch_internals.foreach_zero_(sums)
    # Adds the gradients to zeros, unless the flag is set: one kernel for all of them.
    fused_sgd(sums, gradients, [], **values, maximize=False, is_first_step=False, found_inf=found_inf)
    torch_internals.foreach_copy_(gradients, sums)


def _has_fused_step(optimizer: Optimizer) -> bool:
    groups = optimizer.param_groups
    return (
        _KERNELS.get(type(optimizer)) is not None
        and not torch_internals.has_step_hooks(optimizer)
        and all(group["fused"] for group in groups)
        and not any(group.get(flag) for group in groups for flag in _UNSUPPORTED)
    )


def _gathered(optimizer: Optimizer, found_inf: Tensor | None) -> list[Group]:
    """Return each group's weights that have gradients, and the kernel that updates them.

    The list is empty where a group's weights differ in device, type or state, so that one kernel cannot update them.
    """
    kernel_of = _KERNELS[type(optimizer)]
    assert kernel_of is not None
    groups: list[Group] = []
    for group in optimizer.param_groups:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        if not weights:
            continue
        states = [optimizer.state.get(weight, {}) for weight in weights]
        kinds = {(weight.device, weight.dtype, frozenset(state)) for weight, state in zip(weights, states, strict=True)}
        if len(kinds) > 1:
            return []
        values = group if len(weights) == len(group["params"]) else ChainMap({"params": weights}, group)
        groups.append((weights, kernel_of(values, states, found_inf)))
    return groups


def _adam(kernel: Callable[..., object], group: Values, states: States, found_inf: Tensor | None) -> Kernel:
    first, second, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    weights = group["params"]
    step = partial(kernel, eps=group["eps"], amsgrad=False, maximize=False, found_inf=found_inf)
    foreach_add_ = torch_internals.foreach_add_

    def run(gradients: list[Tensor]) -> None:
        foreach_add_(steps, 1)
        rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        step(weights, gradients, first, second, [], steps, lr=rate, weight_decay=decay, beta1=beta1, beta2=beta2)

    return run


def _sgd(kernel: Callable[..., object], group: Values, states: States, found_inf: Tensor | None) -> Kernel:
    buffers = [state["momentum_buffer"] for state in states] if group["momentum"] else []
    fixed = {name: group[name] for name in ("dampening", "nesterov", "maximize")}
    step = partial(kernel, **fixed, is_first_step=False, found_inf=found_inf)
    weights = group["params"]

    def run(gradients: list[Tensor]) -> None:
        rate, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
        step(weights, gradients, buffers if momentum else [], lr=rate, weight_decay=decay, momentum=momentum)

    return run


def _adagrad(kernel: Callable[..., object], group: Values, states: States, found_inf: Tensor | None) -> Kernel:
    sums, steps = ([state[name] for state in states] for name in ("sum", "step"))
    fixed = {"lr_decay": group["lr_decay"], "eps": group["eps"]}
    step = partial(kernel, **fixed, maximize=False, found_inf=found_inf)

    def run(gradients: list[Tensor]) -> None:
        torch_internals.foreach_add_(steps, 1)
        step(group["params"], gradients, sums, steps, lr=group["lr"], weight_decay=group["weight_decay"])

    return run


_KERNELS: dict[type, Callable[[Values, States, Tensor | None], Kernel] | None] = {
    kind: partial(build, kernel) if kernel is not None else None
    for kind, build, kernel in (
        (Adam, _adam, torch_internals.fused_adam_),
        (AdamW, _adam, torch_internals.fused_adamw_),
        (SGD, _sgd, torch_internals.fused_sgd_),
        (Adagrad, _adagrad, torch_internals.fused_adagrad_),
    )
}
