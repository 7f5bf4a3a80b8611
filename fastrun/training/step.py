"""One optimizer step: forward, backward, clipping, update. This is the hot path of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fastrun.components.amp.precision import Precision
from fastrun.components.clip.clipper import Clipper
from fastrun.components.early_stopping.budget import Budget
from fastrun.components.on_divergence.nan_guard import NanGuard, can_raise_at_once
from fastrun.components.optimizer.direct import build_step
from fastrun.components.optimizer.gradient import gradients
from fastrun.components.optimizer.protocol import evaluation_weights, lay_out_state, needs_closure
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import batch_length, chunk, map_tensors
from fastrun.components.schedule import Curve, Cycling
from fastrun.components.speed.memory_format import memory_format_of, to_memory_format
from fastrun.components.transfer.frozen import FrozenBody
from fastrun.config.settings import OnDivergenceConfig
from fastrun.system.clock import Clock
from fastrun.system.seed import derive, seed_torch
from fastrun.training.objective import Objective

if TYPE_CHECKING:
    from fastrun.components.device.shards import Shards  # takes a while to import, and few runs need it

_STATISTICS = ("running_mean", "running_var")  # of norms; other buffers, such as masks, may be infinite


class Averaging(Protocol):
    """An average of the weights over steps: see :mod:`fastrun.components.ema`."""

    def step(self, step: int) -> None:
        """Add the weights after ``step`` optimizer steps to the average."""

    def weights(self) -> list[tuple[Tensor, Tensor]]:
        """Return pairs of a tensor of the network and the average that replaces it for an evaluation."""

    @property
    def batches_to_refit(self) -> int:
        """Return the number of training batches that :meth:`refit` needs before an evaluation."""

    def refit(self, batches: Iterator[Batch], forward: Callable[[Batch], object]) -> None:
        """Recompute the statistics of batch norms on training batches; the network holds the averaged weights."""

    def state(self) -> dict[str, Any]:
        """Return the state that a checkpoint stores."""

    def load(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state` returned."""


@dataclass(frozen=True)
class UpdateRule:
    """How a step turns gradients into new weights.

    Attributes:
        optimizer: the optimizer.
        base_lrs: the learning rate of each parameter group where the schedule's factor is 1.
        group_values: the values of each parameter group that come from the config. A resumed run takes these from its
            config and only the optimizer's state from the checkpoint.
        curve: the learning-rate schedule, a factor for each step.
        clip: clips the gradients, or None.
        precision: the autocast context and, for fp16, the gradient scaler.
        accumulate: the number of parts that a batch is split into for forward and backward.
        seed: the seed of the run.
        average: an average of the weights, or None.
        budget: the time budget of the run, or None.
        frozen: the part of the network that does not train at first, or None.
        on_divergence: lowers the learning rates after rewinds; None if the run was not rewound.
        shards: the parts of weights that this process updates; None where it updates whole ones.
    """

    optimizer: torch.optim.Optimizer
    base_lrs: list[float]
    group_values: list[dict[str, Any]]
    curve: Curve
    clip: Clipper | None
    precision: Precision
    accumulate: int
    seed: int
    average: Averaging | None = None
    budget: Budget | None = None
    frozen: FrozenBody | None = None
    on_divergence: OnDivergenceConfig | None = None
    shards: Shards | None = None

    def position(self, step: int) -> int:
        """Return the step of the schedule that applies to a step of the run."""
        return step if self.budget is None else self.budget.schedule_step(step)

    def factor(self, step: int) -> float:
        """Return the factor of every learning rate at a step."""
        lowered = self.on_divergence.lr_factor(step) if self.on_divergence is not None else 1.0
        return self.curve(self.position(step)) * lowered

    def with_curve(self, curve: Curve) -> UpdateRule:
        """Return the same update rule with another learning-rate schedule."""
        return replace(self, curve=curve)

    def evaluation_pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Return pairs of a tensor of the network and the one that replaces it for an evaluation."""
        if self.average is not None:
            return self.average.weights()
        return evaluation_weights(self.optimizer) or []


class StepResult(NamedTuple):
    """The result of a step when it is queued: its tensors stay on the device until someone reads them.

    Attributes:
        step: the step, counted from 1.
        lr: the learning rate of the first parameter group.
        train_seconds: the training clock in seconds.
        loss: the loss of the batch, a scalar tensor.
        grad_norm: the norm of all gradients before clipping, a scalar tensor, or None if it is not computed.
        logged: what the network logged beside its loss by name, as scalar tensors, or None.
    """

    step: int
    lr: float
    train_seconds: float
    loss: Tensor
    grad_norm: Tensor | None
    logged: dict[str, Tensor] | None = None


class Stepper:
    """Takes optimizer steps without making the host wait for the device.

    Args:
        net: the network, on the device, with the weights of the checkpoint if the run was resumed.
        objective: what the network learns.
        update: how a step turns gradients into new weights; the optimizer's state is loaded if the run was resumed.
        device: the device.
        rank: the number of this process.
        world_size: the number of processes.
        clock: the clock of the run.
        backward: computes the gradients of a loss.
        no_sync: keeps several processes from averaging their gradients, as is needed for the last part of a batch only.

    Attributes:
        memory_format: the memory format that the network takes batches in; None for the default one.
        needs_closure: whether the optimizer takes several gradients a step.
        weights: the parameters that train.
        saved_tensors: the tensors that must be finite before they are saved: weights and running statistics.
        nan_guard: checks each loss and its gradients before the optimizer uses them.
    """

    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        update: UpdateRule,
        *,
        device: torch.device,
        rank: int,
        world_size: int,
        clock: Clock,
        backward: Callable[[Tensor], Any],
        no_sync: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.net, self.objective, self.update, self.backward = net, objective, update, backward
        self.no_sync = no_sync
        self._device, self._rank, self._clock = device, rank, clock
        self.memory_format = memory_format_of(net)
        for group, values in zip(update.optimizer.param_groups, update.group_values, strict=True):
            group.update(values)
        lay_out_state(update.optimizer)
        self.needs_closure = needs_closure(update.optimizer)
        self._momentum = update.curve.momentum if isinstance(update.curve, Cycling) else None
        shards = update.shards
        parameters = net.parameters() if shards is None else shards.parts
        self.weights = [parameter for parameter in parameters if parameter.requires_grad]
        statistics = [buffer for name, buffer in net.named_buffers() if name.rpartition(".")[2] in _STATISTICS]
        self.saved_tensors = [*self.weights, *statistics]
        scaler, has_norm = update.precision.scaler, update.clip is not None and update.clip.has_norm
        home = device if shards is None else shards.home
        at_once = scaler is None and (can_raise_at_once(home, world_size) or (self.needs_closure and world_size == 1))
        self.nan_guard = NanGuard(home, at_once, scaler, None if shards is None or has_norm else shards.agree)
        self._advance = build_step(update.optimizer, None if at_once or scaler else self.nan_guard.found_inf)

    def forward(self, batch: Batch, step: int = 0) -> Tensor:
        """Return the loss of a batch, a scalar tensor."""
        with self.update.precision.autocast():
            return self.objective.loss(self.net, self.to_memory_format(batch), step)

    def to_memory_format(self, batch: Batch) -> Batch:
        """Return a batch with its images in the memory format of the network."""
        memory_format = self.memory_format
        if memory_format is None:
            return batch
        return map_tensors(lambda tensor: to_memory_format(tensor, memory_format), batch)

    def step(self, step: int, batch: Batch) -> StepResult:
        """Take one optimizer step with a batch.

        Args:
            step: the step, counted from 0.
            batch: the batch, on the device.

        Returns:
            The loss and the learning rate of the step; the step may still be running on the device.

        Raises:
            Diverged: the loss or a gradient is not finite, and this is known without waiting for the device.
        """
        self._reseed(step)
        update = self.update
        optimizer, scaler = update.optimizer, update.precision.scaler
        factor = self._set_rates(step)
        if self.needs_closure:
            loss, norm = self._step_with_closure(step, batch)
        else:
            loss = self._compute_gradients(step, batch)
            if update.shards is not None:
                update.shards.collect_gradients()
            norm = self._clip(step, loss)
            if scaler is None:
                self._advance()
            else:
                scaler.step(optimizer)
                scaler.update()
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = None
        if update.average is not None:
            update.average.step(step + 1)
        rate, logged = update.base_lrs[0] * factor, self.objective.end_step(self.net, batch, step, loss)
        return StepResult(step + 1, rate, self._clock.train_seconds, loss, norm, logged)

    def _set_rates(self, step: int) -> float:
        """Set the learning rates of a step, and the momentum if the schedule cycles it; return the rates' factor."""
        update = self.update
        position, factor = update.position(step), update.factor(step)
        for group, rate in zip(update.optimizer.param_groups, update.base_lrs, strict=True):
            group["lr"] = rate * factor
        if self._momentum is not None:
            _set_momentum(update.optimizer, self._momentum(position))
        return factor

    def _compute_gradients(self, step: int, batch: Batch) -> Tensor:
        """Compute the gradients of a batch, in parts if the batch is accumulated, and return its loss."""
        accumulate, scaler = self.update.accumulate, self.update.precision.scaler
        if accumulate == 1:
            loss = self.forward(batch, step)
            self.backward(loss if scaler is None else scaler.scale(loss))
            return loss.detach()
        total, parts, length = None, chunk(batch, accumulate), batch_length(batch)
        for index, piece in enumerate(parts, 1):
            part = self.forward(piece, step) * (batch_length(piece) / length)
            with nullcontext() if index == len(parts) else self.no_sync():
                self.backward(part if scaler is None else scaler.scale(part))
            total = part.detach() if total is None else total + part.detach()
        assert total is not None
        return total

    def _clip(self, step: int, loss: Tensor) -> Tensor | None:
        """Check the loss and the gradients, clip the gradients, and return their norm before clipping if it is known.

        Raises:
            Diverged: the loss or a gradient is not finite, and this is known without waiting for the device.
        """
        clip, scaler = self.update.clip, self.update.precision.scaler
        if scaler is not None and clip is not None:
            scaler.unscale_(self.update.optimizer)
        is_known = clip is not None and clip.has_norm
        if scaler is None and not is_known:
            self.nan_guard.check(step, loss, gradients(self.weights))
        norm = None if clip is None else clip(self.weights)
        if scaler is None and is_known:
            self.nan_guard.check(step, loss, [] if norm is None else [norm])  # the norm is of all gradients
        return norm

    def _step_with_closure(self, step: int, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Take a step of an optimizer that computes the loss several times, such as LBFGS.

        Returns:
            The loss and the gradient norm of the first computation, which is at the weights before the step.
        """
        results: list[tuple[Tensor, Tensor | None]] = []

        def closure() -> Tensor:
            for weight in self.weights:
                weight.grad = None
            self._reseed(step)
            loss = self._compute_gradients(step, batch)
            results.append((loss, self._clip(step, loss)))
            return loss

        self.update.optimizer.step(closure)  # type: ignore[arg-type]
        return results[0]

    def _reseed(self, step: int) -> None:
        """Seed torch's generators from the step, so that a resumed run draws the same numbers."""
        seed_torch(self._device, derive(self.update.seed, "step", step, self._rank))


def _set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set SGD's momentum or Adam's first beta in every parameter group."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        elif "momentum" in group:
            group["momentum"] = value
