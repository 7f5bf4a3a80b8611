"""The watch for a loss or a gradient that is infinite or not a number, kept before the weights take it in.

On the CPU a look at the gradients is answered at once. A GPU would have to be waited for, so there a flag on the device
is raised and stays so: from that step on the optimizer changes nothing (see :mod:`fastrun.optimizer.direct`), and the
flag is read together with the losses, before anything is saved or validated. Several processes read it together, too.

What a bad step has changed by then, running statistics of norms for one, is never saved: a run ends there, or goes back
to a checkpoint.

Source: the flag and its kernel are those of torch.amp.GradScaler (Micikevicius et al. 2018, "Mixed precision
training"); the least scale is the default of fairseq's ``--min-loss-scale``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from fastrun.errors import Diverged

LEAST_SCALE = 1e-4  # of fp16's losses: 30 halvings below where it starts; single overflows are how a scale is found


class Guard:
    """Looks at the loss and the gradients of each step.

    Args:
        device: where they are.
        at_once: raise at the step itself, which makes the host wait for the device.
        scaler: fp16's own guard, which skips steps itself and lowers the scale of the loss by each.

    Attributes:
        found: 1 from the first bad step on, else 0; float32 on the device, as fused optimizers take it.
    """

    def __init__(self, device: torch.device, at_once: bool, scaler: torch.amp.GradScaler | None = None) -> None:
        self.found = torch.zeros((), device=device)
        self._bad_steps = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self.at_once, self._scaler = at_once, scaler
        self._mixes = device.type == "cpu"  # the kernel takes tensors of several types in one call

    def look(self, step: int, loss: Tensor, gradients: Sequence[Tensor]) -> None:
        """Look at a step, the first being 0, before the optimizer does; ``gradients`` may be their norm alone.

        Raises:
            Diverged: one is not finite, with ``at_once``.
        """
        for some in self._alike([loss, *gradients]):
            torch._amp_foreach_non_finite_check_and_unscale_(some, self.found, self._one)
        if not self.at_once:
            self._bad_steps.add_(self.found)
        elif self.found.item():
            raise diverged(step + 1, loss.item())

    def _alike(self, tensors: list[Tensor]) -> list[list[Tensor]]:
        if self._mixes:
            return [tensors]
        groups = defaultdict(list)
        for tensor in tensors:
            groups[tensor.dtype].append(tensor)
        return list(groups.values())

    def unread(self, kept: Sequence[Tensor]) -> Tensor:
        """Return what :meth:`verdict` must know, on the device: how many steps are bad, and whether the state is."""
        bad_steps = self._bad_steps
        if self._scaler is not None and self._scaler._scale is not None:
            bad_steps = (self._scaler._scale < LEAST_SCALE).float()
        norms = [norm.float() for norm in torch._foreach_norm(list(kept), math.inf)]
        return torch.stack([bad_steps, torch.stack(norms).isfinite().logical_not().any().float()])

    def verdict(
        self, last: int, losses: Sequence[float], bad_steps: float, bad_state: float
    ) -> tuple[int, Diverged | None]:
        """Return how many of the steps are good, and what ends the run, if anything does.

        Args:
            last: the last step, counted from 1.
            losses: those of the steps up to it.
            bad_steps: how many of the last of them are; the mean over all processes, as below.
            bad_state: above 0 where a weight or a statistic of a norm is not finite.
        """
        good = max(0, len(losses) - math.ceil(bad_steps))
        if self._scaler is None:
            good = next((place for place, loss in enumerate(losses[:good]) if not math.isfinite(loss)), good)
        elif good < len(losses):
            return good, Diverged(f"the scale of fp16's loss fell below {LEAST_SCALE:g} by step {last}", step=last)
        if good < len(losses):
            return good, diverged(last - len(losses) + good + 1, losses[good])
        words = f"weights or statistics of norms are not finite after step {last}"
        return good, Diverged(words, step=last) if bad_state else None


def diverged(step: int, loss: float) -> Diverged:
    """Return the error for a bad step, counted from 1."""
    if math.isfinite(loss):
        return Diverged(f"a gradient is not finite at step {step}, where the loss is {loss:.4g}", step=step)
    return Diverged(f"the loss is {loss} at step {step}", step=step)


def waits(device: torch.device, processes: int) -> bool:
    """Say whether a look may be answered at once: it costs nothing on a CPU, and must not part several processes."""
    return device.type == "cpu" and processes == 1
