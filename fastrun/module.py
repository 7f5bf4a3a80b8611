"""The LightningModule: the hot path.

A call of :meth:`Training.training_step` is given a range of steps, not a batch, and takes them in a flat loop: manual
optimization, no logging machinery, nothing that makes the host wait for the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any, Protocol, Self

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from fastrun import kernels
from fastrun.budget import Budget
from fastrun.clock import Clock
from fastrun.metric import Metrics
from fastrun.optimizer.protocol import check_state, evaluation_weights
from fastrun.pace import Pace
from fastrun.pipeline import Batch, Feed
from fastrun.plan import Plan
from fastrun.schedule import Watching
from fastrun.settings import Speed
from fastrun.stepping import Done, Stepper, Update
from fastrun.swap import swapped
from fastrun.tally import Tally
from fastrun.task import Loss
from fastrun.transfer.frozen import Frozen
from fastrun.views import logits_of

_NEVER = 1 << 62
_AGREEMENTS = 10  # calls of several processes until their length stands: agreeing costs a millisecond


class Evaluating(Protocol):
    """Yields every batch of a set once."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield inputs and labels, on the device."""


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
        self.goes_further = False  # than where a checkpoint's run had stopped: other values were asked for
        self._batches: Iterator[Batch] | None = None
        self._first = True
        self._agreed = 0
        self.stepper = Stepper(net, loss, update)

    def attach(self, clock: Clock, speed: Speed, views: str) -> None:
        """Take the clock that has run since the process started, what makes steps fast, and the test-time views."""
        self.clock, self.speed, self.pace, self.views = clock, speed, Pace(speed), views
        self.stepper.layout = kernels.layout(self.net)

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
        backward = self.manual_backward if self.trainer.world_size > 1 else Tensor.backward
        self.stepper.begin(self.device, self.global_rank, self.trainer.world_size, self.clock, backward)
        if self.update.frozen is not None and self.tally.step < self.update.frozen.until:
            self._hold(self.update.frozen)
        self._warm_up()
        self._batches = self.feed.batches(self.tally.step)
        self._say_epoch()
        self._say_step()

    def _warm_up(self) -> None:
        """Compile the network if asked for, on its own clock."""
        if self.speed.compile:
            with self.clock.within("compile"):
                kernels.keep_buffers(self.net, self._compile)

    def _hold(self, frozen: Frozen) -> None:
        """Train the head alone for now."""
        if self.trainer.world_size > 1:
            self.stepper.backward = frozen.hold_among_others(self.manual_backward)
        else:
            frozen.hold()

    def _release(self, frozen: Frozen) -> None:
        """Train the body, too, from now on."""
        frozen.release(self.update.optimizer)
        if self.trainer.world_size > 1:
            self.stepper.backward = self.manual_backward
        self._warm_up()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules; norms of a frozen body go by the statistics that they have in either."""
        super().train(mode)
        if mode and self.update.frozen is not None and self.update.frozen.is_held:
            self.update.frozen.keep_statistics()
        return self

    def _compile(self) -> None:
        """Compile the network, and have the compiler do its work before the first step."""
        x, y = next(self.feed.batches(self.tally.step))
        part = len(x.chunk(self.update.accumulate)[0])

        def attempt() -> None:
            torch.autograd.backward(self.stepper.forward(x[:part], y[:part]))
            self.eval()
            with torch.inference_mode():
                next(self._outputs(self.val))
            self.train()

        self.compile_failure = kernels.compiled(self.net, self.speed.compile_mode, attempt)

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
        frozen = self.update.frozen
        if frozen is not None and frozen.is_held and steps.start >= frozen.until:
            self._release(frozen)
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
            self.done.append(self.stepper.step(step, x, y))
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

    def evaluate(self, batches: Evaluating) -> dict[str, float]:
        """Return the metrics over a set, the network in the mode and the precision it is in."""
        return self.metrics.measure(self._outputs(batches))

    def _outputs(self, batches: Evaluating) -> Iterator[Batch]:
        for x, y in batches:
            with self.update.precision.autocast():
                logits = logits_of(self.net, self.stepper.laid_out(x), self.views)
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
                average.refit(self.stepper.laid_out(x) for x, _ in batches)
            if self.trainer.world_size > 1:  # the statistics of the first process's norms are those that are saved
                for buffer in self.net.buffers():
                    torch.distributed.broadcast(buffer, 0)
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
            "world": self.trainer.world_size,
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
        if self.goes_further:
            self.tally.stopped = None
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
