"""What fastrun uses of torch that torch does not document as public, each with a fallback for when it is gone.

- ``torch._foreach_*`` does in one call for many tensors what a loop does in a call each; torch.optim is built on it.
  There is no public form. The fallback is the loop (:func:`one_by_one`).
- ``torch._amp_foreach_non_finite_check_and_unscale_`` is the kernel of torch.amp.GradScaler. Its public counterpart,
  :func:`torch.nn.utils.get_total_norm`, gives the same answer in 20 times the time for a small network and 2.5 times
  for a residual one. It is the fallback.
- ``torch._fused_*_`` are the kernels that optimizers with ``fused=True`` call. The fallback is the optimizer's own
  step.
- ``Tensor._values`` returns the values of a sparse tensor that may name an element twice. The fallback sums those
  first (:func:`coalesced_values`).
- ``Optimizer._optimizer_step_*_hooks`` and torch.optim's ``_global_optimizer_*_hooks`` are the hooks of a step. The
  fallback takes it that there are some.
- ``Optimizer._step_supports_amp_scaling`` tells which optimizers look at ``found_inf``. The fallback is that none does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.optim import optimizer as optimizer_module


def _for_many(name: str) -> Callable[..., Any]:
    """Return torch's function that calls a tensor's method for many tensors at once, or the loop in its stead."""
    return getattr(torch, f"_foreach_{name}", None) or one_by_one(name)


def one_by_one(name: str) -> Callable[..., Any]:
    """Return a loop that calls a tensor's method: ``loop(tensors, *values)``, a value or a sequence of them each."""

    def loop(tensors: Sequence[Tensor], *values: Any, **options: Any) -> list[Tensor]:
        columns = [value if isinstance(value, (list, tuple)) else [value] * len(tensors) for value in values]
        return [getattr(tensor, name)(*own, **options) for tensor, *own in zip(tensors, *columns, strict=True)]

    return loop


foreach_add = _for_many("add")
foreach_add_ = _for_many("add_")
foreach_clamp_min_ = _for_many("clamp_min_")
foreach_copy_ = _for_many("copy_")
foreach_div_ = _for_many("div_")
foreach_lerp = _for_many("lerp")
foreach_lerp_ = _for_many("lerp_")
foreach_mul_ = _for_many("mul_")
foreach_norm = _for_many("norm")
foreach_zero_ = _for_many("zero_")

fused_adam_: Callable[..., Any] | None = getattr(torch, "_fused_adam_", None)
fused_adamw_: Callable[..., Any] | None = getattr(torch, "_fused_adamw_", None)
fused_sgd_: Callable[..., Any] | None = getattr(torch, "_fused_sgd_", None)
fused_adagrad_: Callable[..., Any] | None = getattr(torch, "_fused_adagrad_", None)


def flag_non_finite(tensors: list[Tensor], found: Tensor, one: Tensor) -> None:
    """Set a flag to 1 where any element of some tensors is infinite or not a number; leave it as it is otherwise.

    Args:
        tensors: of one dtype, unless they are on the CPU.
        found: the flag, float32 without dimensions.
        one: 1 in the same form, for torch's kernel.
    """
    kernel = getattr(torch, "_amp_foreach_non_finite_check_and_unscale_", None)
    if kernel is not None:
        kernel(tensors, found, one)
        return
    # The largest magnitude, since the sum of squares of finite numbers may overflow. Empty tensors have none.
    largest = get_total_norm([tensor for tensor in tensors if tensor.numel()], math.inf)
    found.copy_(torch.maximum(found, largest.isfinite().logical_not().float()))


def sparse_values(tensor: Tensor) -> Tensor:
    """Return the values of a sparse tensor, which share its memory."""
    values = getattr(tensor, "_values", None)
    return values() if values is not None else coalesced_values(tensor)


def coalesced_values(tensor: Tensor) -> Tensor:
    """Coalesce a sparse tensor in place and return its values, which share its memory."""
    tensor.data = tensor.coalesce()
    return tensor.values()


def has_step_hooks(optimizer: Optimizer) -> bool:
    """Say whether hooks are registered that run at an optimizer's step; True where torch no longer lists them."""
    owners = (optimizer, "_optimizer_step_pre_hooks"), (optimizer, "_optimizer_step_post_hooks")
    shared = (optimizer_module, "_global_optimizer_pre_hooks"), (optimizer_module, "_global_optimizer_post_hooks")
    return any(bool(getattr(owner, name, True)) for owner, name in (*owners, *shared))


def takes_found_inf(optimizer: Optimizer) -> bool:
    """Say whether an optimizer's own step looks at its attribute ``found_inf``, as torch's fused ones do."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))
