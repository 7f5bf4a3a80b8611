"""The hot path: what an optimizer step does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fastrun.amp import Precision
from fastrun.budget import Budget
from fastrun.clip import Clipper
from fastrun.clock import Clock
from fastrun.guard import Guard, waits
from fastrun.optimizer.direct import stepper
from fastrun.optimizer.gradient import gradients
from fastrun.optimizer.protocol import configured, needs_closure
from fastrun.schedule import Curve, Cycling
from fastrun.seed import derive
from fastrun.settings import OnDivergence
from fastrun.task import Loss
from fastrun.transfer.frozen import Frozen

_STATISTICS = ("running_mean", "running_var")  # of norms; other buffers may be infinite for good reason, as masks are


class Averaging(Protocol):
    """An average of the weights over steps: see :mod:`fastrun.average`."""

    def step(self, step: int) -> None:
        """Take in the weights after ``step`` steps."""

    def weights(self) -> list[tuple[Tensor, Tensor]]:
        """Return each of the network's tensors with what to evaluate with in its place."""

    @property
    def batches_to_refit(self) -> int:
        """Return how many training batches :meth:`refit` needs before an evaluation."""

    def refit(self, inputs: Iterator[Tensor]) -> None:
        """Measure batch norms on training batches, the network holding the average."""

    def state(self) -> dict[str, Any]:
        """Return its memory."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a memory."""


class Update(NamedTuple):
    """What a step does beside forward and backward."""

    optimizer: torch.optim.Optimizer
    curve: Curve
    clip: Clipper | None
    precision: Precision
    accumulate: int
    seed: int
    average: Averaging | None = None
    budget: Budget | None = None
    frozen: Frozen | None = None
    caution: OnDivergence | None = None


class Done(NamedTuple):
    """What is known of a step when it is queued; the tensors are still on the device."""

    step: int
    lr: float
    train_seconds: float
    loss: Tensor
    grad_norm: Tensor | None


class Stepper:
    """Takes optimizer steps in a flat way: nothing in it makes the host wait for the device.

    Attributes:
        rates: the learning rate of each of the optimizer's groups, where the schedule is at one.
        layout: the memory layout that the network takes batches in, if it is not the usual one.
        backward: computes gradients of a loss.
        weights: those of the network that train.
        kept: what is looked at before it is saved: weights and running statistics.
        guard: looks at every loss and gradient before the optimizer does.
    """

    backward: Callable[[Tensor], Any]

    def __init__(self, net: nn.Module, loss: Loss, update: Update) -> None:
        self.net, self.loss, self.update = net, loss, update
        self.rates = [float(group["lr"]) for group in update.optimizer.param_groups]
        self.layout: torch.memory_format | None = None
        self._own = configured(update.optimizer)
        self._needs_closure = needs_closure(update.optimizer)
        self._momentum = update.curve.momentum if isinstance(update.curve, Cycling) else None

    def begin(
        self, device: torch.device, rank: int, processes: int, clock: Clock, backward: Callable[[Tensor], Any]
    ) -> None:
        """Get ready for the first step, or the first after a checkpoint was loaded."""
        self._device, self._rank, self._clock, self.backward = device, rank, clock, backward
        scaler = self.update.precision.scaler
        at_once = scaler is None and (waits(device, processes) or (self._needs_closure and processes == 1))
        self.guard = Guard(device, at_once, scaler)
        for group, own in zip(self.update.optimizer.param_groups, self._own, strict=True):
            group.update(own)  # a checkpoint brings the optimizer's memory; its values come from the config
        self.weights = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        means = [value for name, value in self.net.named_buffers() if name.rpartition(".")[2] in _STATISTICS]
        self.kept = [*self.weights, *means]
        self._advance = stepper(self.update.optimizer, None if at_once or scaler else self.guard.found)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return a batch's loss."""
        with self.update.precision.autocast():
            return self.loss(self.net(self.laid_out(x)), y)

    def laid_out(self, x: Tensor) -> Tensor:
        """Return inputs as the network takes them."""
        return x if self.layout is None else x.contiguous(memory_format=self.layout)

    def step(self, step: int, x: Tensor, y: Tensor) -> Done:
        """Take a step, the first being 0, with a batch of inputs and targets on the device."""
        self._reseed(step)
        optimizer, curve, _, precision, _, _, average, budget, _, caution = self.update
        place = step if budget is None else budget.place(step)
        factor = curve(place) if caution is None else curve(place) * caution.share(step)
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        if self._momentum is not None:
            _set_momentum(optimizer, self._momentum(place))
        if self._needs_closure:
            loss, norm = self._searched(step, x, y)
        else:
            loss = self._backpropagated(x, y)
            norm = self._clipped(step, loss)
            if precision.scaler is None:
                self._advance()
            else:
                precision.scaler.step(optimizer)
                precision.scaler.update()
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = None
        if average is not None:
            average.step(step + 1)
        return Done(step + 1, self.rates[0] * factor, self._clock.train_seconds, loss, norm)

    def _backpropagated(self, x: Tensor, y: Tensor) -> Tensor:
        """Add a batch's gradients to the weights', part by part, and return its loss."""
        accumulate, scaler = self.update.accumulate, self.update.precision.scaler
        loss = None
        for part_x, part_y in (
            zip(x.chunk(accumulate), y.chunk(accumulate), strict=True) if accumulate > 1 else ((x, y),)
        ):
            part = self.forward(part_x, part_y)
            if accumulate > 1:
                part = part * (len(part_y) / len(y))
            self.backward(part if scaler is None else scaler.scale(part))
            loss = part.detach() if loss is None else loss + part.detach()
        assert loss is not None
        return loss

    def _clipped(self, step: int, loss: Tensor) -> Tensor | None:
        """Clip the gradients, if that is wanted, and return their norm before it, where it is known.

        Raises:
            Diverged: they are not finite, or the loss is not, where that can be known without waiting.
        """
        clip, scaler = self.update.clip, self.update.precision.scaler
        if scaler is not None and clip is not None:
            scaler.unscale_(self.update.optimizer)
        is_known = clip is not None and clip.measures
        if scaler is None and not is_known:
            self.guard.look(step, loss, gradients(self.weights))
        norm = None if clip is None else clip(self.weights)
        if scaler is None and is_known:
            self.guard.look(step, loss, [] if norm is None else [norm])  # a norm takes in every gradient
        return norm

    def _searched(self, step: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """Take a step of an optimizer that computes the loss as often as it likes; return the first loss and norm."""
        first: list[tuple[Tensor, Tensor | None]] = []

        def closure() -> Tensor:
            for weight in self.weights:
                weight.grad = None
            self._reseed(step)
            loss = self._backpropagated(x, y)
            first.append((loss, self._clipped(step, loss)))
            return loss

        self.update.optimizer.step(closure)  # type: ignore[arg-type]
        return first[0]

    def _reseed(self, step: int) -> None:
        """Make dropout and the like a function of the step."""
        seed = derive(self.update.seed, "step", step, self._rank)
        if self._device.type == "cuda":
            torch.cuda.default_generators[self._device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)


def _set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set SGD's momentum or Adam's first beta in every group."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        elif "momentum" in group:
            group["momentum"] = value
