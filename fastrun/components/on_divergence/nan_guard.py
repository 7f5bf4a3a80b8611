"""The check for a loss or a gradient that is infinite or NaN, before the optimizer changes the weights.

On the CPU the result is known at once. A GPU would have to be waited for, so a flag on the device is set instead and
stays set: from that step on the optimizer changes nothing (see :mod:`fastrun.components.optimizer.direct`). The host
reads the flag together with the losses, before anything is saved or validated, and several processes read it together.

A bad step may already have changed other state, such as the running statistics of norms. That state is never saved: the
run ends there, or goes back to a checkpoint.

Source: the flag and its kernel are those of torch.amp.GradScaler (Micikevicius et al. 2018, "Mixed precision
training"); the least scale is the default of fairseq's ``--min-loss-scale``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fastrun.errors import Diverged
from fastrun.system.torch_internals import flag_non_finite, foreach_norm

LEAST_SCALE = 1e-4  # of fp16's losses, 30 halvings below the first scale; a few overflows are normal


class NanGuard:
    """Checks the loss and the gradients of each step.

    Args:
        device: the device of the gradients.
        at_once: raise at the step itself, which makes the host wait for the device.
        scaler: the gradient scaler of fp16, which skips bad steps itself and lowers the loss scale at each.
        agree: sets a flag to its largest value in any process; None where all processes have the same gradients.

    Attributes:
        found_inf: 1 from the first bad step on, else 0; float32 on the device, as fused optimizers take it.
    """

    def __init__(
        self,
        device: torch.device,
        at_once: bool,
        scaler: torch.amp.GradScaler | None = None,
        agree: Callable[[Tensor], None] | None = None,
    ) -> None:
        self.found_inf = torch.zeros((), device=device)
        self._bad_steps = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self.at_once, self._scaler, self._agree = at_once, scaler, agree
        self._takes_mixed_dtypes = device.type == "cpu"  # torch's kernel for the CPU does

    def check(self, step: int, loss: Tensor, gradients: Sequence[Tensor]) -> None:
        """Check a step before the optimizer takes it.

        Args:
            step: the step, counted from 0.
            loss: its loss, on any device.
            gradients: its gradients, or their norm alone.

        Raises:
            Diverged: with ``at_once``, the loss or a gradient is not finite.
        """
        for group in self._by_dtype([loss.to(self.found_inf.device), *gradients]):
            flag_non_finite(group, self.found_inf, self._one)
        if self._agree is not None:
            self._agree(self.found_inf)
        if not self.at_once:
            self._bad_steps.add_(self.found_inf)
        elif self.found_inf.item():
            raise divergence_error(step + 1, loss.item())

    def _by_dtype(self, tensors: list[Tensor]) -> list[list[Tensor]]:
        if self._takes_mixed_dtypes:
            return [tensors]
        groups = defaultdict(list)
        for tensor in tensors:
            groups[tensor.dtype].append(tensor)
        return list(groups.values())

    def flags(self, kept: Sequence[Tensor]) -> Tensor:
        """Return the device's part of what :meth:`judge` needs.

        Args:
            kept: the tensors that a checkpoint would keep, on any device: weights, and running statistics of norms.

        Returns:
            Two float32 numbers on the device of the gradients: how many steps are bad, and 1 if a tensor of ``kept`` is
            not finite.
        """
        bad_steps = self._bad_steps
        if self._scaler is not None:
            bad_steps = torch.tensor(float(self._scaler.get_scale() < LEAST_SCALE), device=bad_steps.device)
        largest = foreach_norm([tensor for tensor in kept if tensor.numel()], math.inf)
        norms = [norm.to(bad_steps.device, torch.float32) for norm in largest]
        return torch.stack([bad_steps, torch.stack(norms).isfinite().logical_not().any().float()])

    def judge(
        self, last: int, losses: Sequence[float], bad_steps: float, bad_state: float
    ) -> tuple[int, Diverged | None]:
        """Return how many of the last steps are good, and the error that ends the run, or None.

        Args:
            last: the last step, counted from 1.
            losses: the losses of the steps up to ``last``.
            bad_steps: how many of them, at the end, are bad; the mean over all processes, as is ``bad_state``.
            bad_state: above 0 where a weight or a norm's statistic is not finite.
        """
        good = max(0, len(losses) - math.ceil(bad_steps))
        if self._scaler is None:
            good = next((index for index, loss in enumerate(losses[:good]) if not math.isfinite(loss)), good)
        elif good < len(losses):
            return good, Diverged(f"the loss scale of fp16 fell below {LEAST_SCALE:g} by step {last}", step=last)
        if good < len(losses):
            return good, divergence_error(last - len(losses) + good + 1, losses[good])
        message = f"weights or running statistics are not finite after step {last}"
        return good, Diverged(message, step=last) if bad_state else None


def divergence_error(step: int, loss: float) -> Diverged:
    """Return the error for a bad step, counted from 1."""
    if math.isfinite(loss):
        return Diverged(f"a gradient is not finite at step {step}, where the loss is {loss:.4g}", step=step)
    return Diverged(f"the loss is {loss} at step {step}", step=step)


def can_raise_at_once(device: torch.device, processes: int) -> bool:
    """Say whether a check may raise at its own step.

    That costs nothing on a CPU. Several processes must stop together, so there the flag is read later.

    Args:
        device: the device of the run.
        processes: the number of processes.
    """
    return device.type == "cpu" and processes == 1
