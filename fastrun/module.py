"""The LightningModule: the hot path.

A call of :meth:`Training.training_step` is given a range of steps, not a batch, and takes them in a flat loop: manual
optimization, no logging machinery, nothing that makes the host wait for the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from fastrun import kernels
from fastrun.amp import Precision
from fastrun.budget import Budget
from fastrun.clip import Clipper
from fastrun.clock import Clock
from fastrun.metric import Metrics
from fastrun.optimizer.direct import stepper
from fastrun.optimizer.protocol import check_state, configured, evaluation_weights, needs_closure
from fastrun.pace import Pace
from fastrun.pipeline import Batch, Feed
from fastrun.plan import Plan
from fastrun.schedule import Curve, Cycling, Watching
from fastrun.seed import derive
from fastrun.settings import Speed
from fastrun.swap import swapped
from fastrun.tally import Tally
from fastrun.task import Loss
from fastrun.views import logits_of

_NEVER = 1 << 62
_AGREEMENTS = 10  # calls of several processes until their length stands: agreeing costs a millisecond


class Evaluating(Protocol):
    """Yields every batch of a set once."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield inputs and labels, on the device."""


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


class Done(NamedTuple):
    """What is known of a step when it is queued; the tensors are still on the device."""

    step: int
    lr: float
    train_seconds: float
    loss: Tensor
    grad_norm: Tensor | None


class Training(pl.LightningModule):
    """One run: a network, its data, and how a step updates it."""

    def __init__(
        self, net: nn.Module, loss: Loss, metrics: Metrics, feed: Feed, val: Evaluating, update: Update, plan: Plan
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self.loss, self.metrics = net, loss, metrics
        self.feed, self.val, self.update, self.plan = feed, val, update, plan
        self.tally = Tally()
        self.done: list[Done] = []  # steps whose results nobody has read yet
        self.measured: dict[str, float] = {}
        self.watching = update.curve if isinstance(update.curve, Watching) else None
        self.compile_failure: str | None = None
        self._batches: Iterator[Batch] | None = None
        self._first = True
        self._agreed = 0
        self._own = configured(update.optimizer)
        self._rates = [float(group["lr"]) for group in update.optimizer.param_groups]

    def attach(self, clock: Clock, speed: Speed, views: str) -> None:
        """Take the clock that has run since the process started, what makes steps fast, and the test-time views."""
        self.clock, self.speed, self.pace, self.views = clock, speed, Pace(speed), views
        self.layout = kernels.layout(self.net)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer, whose parameters are on the device by now."""
        return self.update.optimizer

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave a call's range of steps as it is: the feed yields batches that are on the device."""
        return batch

    def on_train_start(self) -> None:
        """Take the place in the data that the run has come to."""
        if self.device.type == "cuda":
            self.clock.wait_for_device = torch.cuda.synchronize
        if self.speed.compile:
            with self.clock.within("compile"):
                kernels.keep_buffers(self.net, self._compile)
        self._batches = self.feed.batches(self.tally.step)
        for group, own in zip(self.update.optimizer.param_groups, self._own, strict=True):
            group.update(own)  # a checkpoint brings the optimizer's memory; its values come from the config
        self._weights = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        self._advance = stepper(self.update.optimizer)
        self._needs_closure = needs_closure(self.update.optimizer)
        self._momentum = self.update.curve.momentum if isinstance(self.update.curve, Cycling) else None
        self._backward = self.manual_backward if self.trainer.world_size > 1 else Tensor.backward
        self._say_epoch()
        self._say_step()

    def _compile(self) -> None:
        """Compile the network, and have the compiler do its work before the first step."""
        x, y = next(self.feed.batches(self.tally.step))
        part = len(x.chunk(self.update.accumulate)[0])

        def attempt() -> None:
            torch.autograd.backward(self._forward(x[:part], y[:part]))
            self.eval()
            with torch.inference_mode():
                next(self._outputs(self.val))
            self.train()

        self.compile_failure = kernels.compiled(self.net, self.speed.compile_mode, attempt)

    def _forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.layout is not None:
            x = x.contiguous(memory_format=self.layout)
        with self.update.precision.autocast():
            return self.loss(self.net(x), y)

    def training_step(self, steps: range, _: int) -> None:
        """Take optimizer steps ``steps``; epochs turn between two calls, never within one."""
        if self.clock.phase != "train":
            self.clock.enter("train")
        if steps.start % self.plan.steps_per_epoch == 0 and not self._first:
            self._turn_epoch()
            if self.trainer.should_stop:  # a callback saw at the epoch's end that it is enough
                self.trainer.val_check_batch = _NEVER
                return
        self._first = False
        begin = perf_counter()
        waited = 0.0
        if self.update.budget is not None:
            self.update.budget.begin(steps.start, self._spent())
        batches = self._batches
        assert batches is not None
        for step in steps:
            asked = perf_counter()
            x, y = next(batches)
            waited += perf_counter() - asked
            self._reseed(step)
            self.done.append(self._step(step, x, y))
            self.tally.samples += len(y) * self.trainer.world_size
        self.clock.waited(waited)
        self.tally.step = steps.stop
        self.pace.took(len(steps), perf_counter() - begin)
        if self.trainer.world_size > 1 and not self.pace.fixed:
            self._agree()
        if self.update.budget is not None:
            self._spend(self.update.budget)
        self._say_step()
        # Lightning validates when its count of calls is a multiple of this; calls differ in length, so say it outright.
        self.trainer.val_check_batch = 1 if self.plan.validates(steps.stop) else _NEVER

    def _agree(self) -> None:
        """Let all processes take the same number of steps in the next call; settle on it once it is known well."""
        count = torch.tensor(self.pace.count, device=self.device)
        torch.distributed.all_reduce(count, torch.distributed.ReduceOp.MIN)
        self.pace.count = int(count)
        self._agreed += 1
        self.pace.fixed = self._agreed == _AGREEMENTS

    def _spent(self) -> float:
        """Return the seconds of training so far, queued work included, the same in all processes."""
        if self.clock.wait_for_device:
            self.clock.wait_for_device()
        return float(self.trainer.strategy.broadcast(self.clock.train_seconds))

    def _spend(self, budget: Budget) -> None:
        """Plan for as many steps as the budget still has time for; end the run where it has none."""
        self.plan.total_steps = budget.end(self.tally.step, self._spent())
        if self.plan.total_steps == self.tally.step:
            self.tally.stopped = f"{budget.seconds:g} seconds of training are over"
            self.trainer.should_stop = True

    def _step(self, step: int, x: Tensor, y: Tensor) -> Done:
        optimizer, curve, _, precision, _, _, average, budget = self.update
        place = step if budget is None else budget.place(step)
        factor = curve(place)
        for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        if self._momentum is not None:
            _set_momentum(optimizer, self._momentum(place))
        if self._needs_closure:
            loss, norm = self._searched(step, x, y)
        else:
            loss = self._backpropagated(x, y)
            norm = self._clipped()
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
        return Done(step + 1, self._rates[0] * factor, self.clock.train_seconds, loss, norm)

    def _backpropagated(self, x: Tensor, y: Tensor) -> Tensor:
        """Add a batch's gradients to the weights', part by part, and return its loss."""
        accumulate, scaler = self.update.accumulate, self.update.precision.scaler
        loss = None
        for part_x, part_y in (
            zip(x.chunk(accumulate), y.chunk(accumulate), strict=True) if accumulate > 1 else ((x, y),)
        ):
            part = self._forward(part_x, part_y)
            if accumulate > 1:
                part = part * (len(part_y) / len(y))
            self._backward(part if scaler is None else scaler.scale(part))
            loss = part.detach() if loss is None else loss + part.detach()
        assert loss is not None
        return loss

    def _clipped(self) -> Tensor | None:
        """Clip the gradients, if that is wanted, and return their norm before it, where it is known."""
        clip, scaler = self.update.clip, self.update.precision.scaler
        if clip is None:
            return None
        if scaler is not None:
            scaler.unscale_(self.update.optimizer)
        return clip(self._weights)

    def _searched(self, step: int, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """Take a step of an optimizer that computes the loss as often as it likes; return the first loss and norm."""
        first: list[tuple[Tensor, Tensor | None]] = []

        def closure() -> Tensor:
            for weight in self._weights:
                weight.grad = None
            self._reseed(step)
            loss = self._backpropagated(x, y)
            first.append((loss, self._clipped()))
            return loss

        self.update.optimizer.step(closure)  # type: ignore[arg-type]
        return first[0]

    def _reseed(self, step: int) -> None:
        """Make dropout and the like a function of the step."""
        seed = derive(self.update.seed, "step", step, self.global_rank)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def evaluate(self, batches: Evaluating) -> dict[str, float]:
        """Return the metrics over a set, the network in the mode and the precision it is in."""
        return self.metrics.measure(self._outputs(batches))

    def _outputs(self, batches: Evaluating) -> Iterator[Batch]:
        for x, y in batches:
            if self.layout is not None:
                x = x.contiguous(memory_format=self.layout)
            with self.update.precision.autocast():
                logits = logits_of(self.net, x, self.views)
            # a network compiled with CUDA graphs writes the next batch's logits where these are
            yield logits.clone() if self.speed.compile else logits, y

    def _others(self) -> list[tuple[Tensor, Tensor]]:
        """Return what to evaluate with in place of the network's own tensors: an average, if there is one."""
        if self.update.average is not None:
            return self.update.average.weights()
        return evaluation_weights(self.update.optimizer) or []

    @contextmanager
    def _evaluated(self) -> Iterator[None]:
        """Let the network hold what it is evaluated with for a while."""
        average = self.update.average
        with swapped(self._others()):
            if average is not None and average.batches_to_refit:
                batches = islice(self.feed.batches(self.tally.step), average.batches_to_refit)
                average.refit(x if self.layout is None else x.contiguous(memory_format=self.layout) for x, _ in batches)
            yield

    def on_validation_start(self) -> None:
        """Pause the training clock."""
        self.clock.enter("validate")

    def validation_step(self, *_: int) -> None:
        """Evaluate the whole validation set: Lightning sees it as one batch."""
        with self._evaluated():
            self.measured = {f"val/{name}": value for name, value in self.evaluate(self.val).items()}
        # What self.log leads to, for callbacks that read trainer.callback_metrics, without the 2 ms that it takes.
        found = {name: torch.tensor(value) for name, value in self.measured.items()}
        self.trainer._logger_connector._callback_metrics.update(found)

    def on_validation_end(self) -> None:
        """Go on with the training clock: callbacks, which come first, have written down what was measured."""
        self.clock.enter("train")

    def on_train_end(self) -> None:
        """Stop the training clock, and worker processes with the batches that nobody will ask for."""
        self.clock.enter("checkpoint")
        self._batches = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where the run stands. Lightning's count of calls means nothing elsewhere and is left out."""
        checkpoint.pop("loops", None)
        checkpoint["epoch"] = 0
        scaler = self.update.precision.scaler
        checkpoint["fastrun"] = {
            "tally": self.tally.state(),
            "clock": self.clock.state(),
            "measured": dict(self.measured) if self.plan.validates(self.tally.step) else {},
            "scaler": scaler.state_dict() if scaler is not None else None,
            "average": self.update.average.state() if self.update.average is not None else None,
            "schedule": self.watching.state() if self.watching is not None else None,
        }
        if self._others():
            with self._evaluated():
                checkpoint["fastrun"]["evaluated"] = {k: v.clone() for k, v in self.net.state_dict().items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Stand where the checkpoint stood.

        Raises:
            ConfigError: its optimizer has other groups of weights.
        """
        check_state(self.update.optimizer, checkpoint["optimizer_states"][0])
        state = checkpoint["fastrun"]
        self.tally.load(state["tally"])
        self.clock.carry(state["clock"])
        if self.update.precision.scaler is not None and state["scaler"]:
            self.update.precision.scaler.load_state_dict(state["scaler"])
        if self.update.average is not None and state["average"]:
            self.update.average.load(state["average"])
        if self.watching is not None and state["schedule"]:
            self.watching.load(state["schedule"])

    def _turn_epoch(self) -> None:
        """End an epoch and start the next one for callbacks: to Lightning the run is a single long epoch."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_train_epoch_end(self.trainer, self)
        self._say_epoch()
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_train_epoch_start(self.trainer, self)

    def _say_epoch(self) -> None:
        """Let ``trainer.current_epoch`` be the epoch of the step that comes next."""
        progress = self.trainer.fit_loop.epoch_progress.current
        progress.completed = min(self.tally.step, self.plan.total_steps - 1) // self.plan.steps_per_epoch
        progress.processed = progress.completed  # type: ignore[attr-defined]

    def _say_step(self) -> None:
        """Let ``trainer.global_step`` be the optimizer steps of the run."""
        self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = self.tally.step


def _set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set SGD's momentum or Adam's first beta in every group."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        elif "momentum" in group:
            group["momentum"] = value
