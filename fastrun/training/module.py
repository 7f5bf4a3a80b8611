"""The LightningModule of a run.

Each call of :meth:`Training.training_step` receives a range of steps instead of a batch and takes them in a plain loop.
It uses manual optimization and none of Lightning's logging, and never makes the host wait for the device.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from itertools import islice
from time import perf_counter
from typing import Any, Self

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from fastrun.components.early_stopping.budget import Budget
from fastrun.components.model.buffers import keep_buffers
from fastrun.components.optimizer.protocol import check_state
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import chunk
from fastrun.components.schedule import Watching
from fastrun.components.speed.compile import compile_network
from fastrun.components.speed.pace import Pace
from fastrun.components.speed.steps_per_call import StepsPerCallTuner
from fastrun.components.transfer.frozen import FrozenBody
from fastrun.redaction import redact
from fastrun.storage.checkpoint.state import CheckpointState, TrainState
from fastrun.system.clock import Clock
from fastrun.system.connection import is_broken
from fastrun.system.cpu_share import CpuShare
from fastrun.system.torch_internals import foreach_copy_
from fastrun.training.builders.parts import Parts
from fastrun.training.lightning_internals import set_current_epoch, set_global_step
from fastrun.training.objective.lightning_module import attach_trainer, call_hook
from fastrun.training.step import Stepper, StepResult
from fastrun.training.validator import Validator

_NEVER = 1 << 62
_WARMUP = 0.25  # of the steps: allocations, and the choice of steps per call
log = logging.getLogger("fastrun")


class Training(pl.LightningModule):
    """A run: a network, its data, and how a step updates the weights.

    Args:
        parts: what the training is made of.
        clock: the clock of the run.
        is_config_changed: whether the config has changed since the checkpoint that the run resumes from. If it has, a
            run that had stopped early may train on.

    Attributes:
        state: how far the run has come.
        results: the results of steps that no callback has read yet.
        measured: the metrics of the last validation.
        tuner: chooses how many steps each call takes.
        cpu_share: the share of CPU time that this process got while it trained; None before the end, or if not known.
        watching: the schedule, if it depends on validations, else None.
        compile_failure: the error of the compiler, or None.
        is_between_steps: whether all weights and buffers are those after ``state.step`` steps, and in this process.
        steady_since: the step and the seconds of training at the first call after a quarter of the steps, or None.
        stepper: takes the steps; it exists from the start of training on.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        *,
        is_config_changed: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        settings, update = parts.settings, parts.update
        self.speed = settings.speed
        self.net, self.objective, self.loaders = parts.net, parts.objective, parts.loaders
        self.metrics = parts.objective.module
        self.update, self.plan, self.clock = update, parts.plan, clock
        self.state = TrainState()
        self.tuner = StepsPerCallTuner(settings.speed)
        self.cpu_share: float | None = None
        self.results: list[StepResult] = []
        self.measured: dict[str, float] = {}
        self.watching = update.curve if isinstance(update.curve, Watching) else None
        self.compile_failure: str | None = None
        self.is_between_steps = False
        self.steady_since: tuple[int, float] | None = None
        self._validator, self._sampler = Validator(parts), parts.sampler
        self._is_config_changed = is_config_changed
        self._config, self._learned = redact(asdict(settings)), parts.setup.learned.state()
        self._batches: Iterator[Batch] | None = None
        self._is_first_call = True
        self.stepper: Stepper  # built when training starts, after a checkpoint's weights and optimizer state are loaded

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return self.update.optimizer

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the range of steps unchanged: the training loader yields batches that are on the device already."""
        return batch

    def on_fit_start(self) -> None:
        """Settle how several processes sum gradients, before a callback begins to watch them."""
        if isinstance(self.trainer.model, DistributedDataParallel):
            self._settle_gradient_order()

    def on_train_start(self) -> None:
        """Build the stepper, compile the network if asked to, and open the data at the step that comes next."""
        if self.device.type == "cuda":
            self.clock.wait_for_device = torch.cuda.synchronize
        world_size, wrapped = self.trainer.world_size, self.trainer.model
        is_wrapped = isinstance(wrapped, DistributedDataParallel)
        self.stepper = Stepper(
            self.net,
            self.objective,
            self.update,
            device=self.device,
            rank=self.global_rank,
            world_size=world_size,
            clock=self.clock,
            backward=self.manual_backward if is_wrapped else Tensor.backward,
            no_sync=wrapped.no_sync if isinstance(wrapped, DistributedDataParallel) else nullcontext,
        )
        if is_wrapped:
            self._live_buffers = list(self.net.buffers())
            self._kept_buffers = [buffer.clone() for buffer in self._live_buffers]
        attach_trainer(self.net, self.trainer)
        self.objective.start(lambda step: set_global_step(self.trainer, step))
        if self.update.frozen is not None and self.state.step < self.update.frozen.until:
            self._freeze_body(self.update.frozen)
        self._compile_if_enabled()
        self._batches = self.loaders.train.batches(self.state.step)
        self._set_current_epoch()
        set_global_step(self.trainer, self.state.step)
        for name in ("on_fit_start", "on_train_start", "on_train_epoch_start"):
            call_hook(self.net, name)
        step_ms = self.speed.found.get("step_ms")
        self._pace, self._cpu = Pace(step_ms / 1e3 if step_ms else None, torch.get_num_threads()), CpuShare()

    def _settle_gradient_order(self) -> None:
        """Let DistributedDataParallel choose now in which order it sums gradients, by a backward pass of zeros.

        It chooses once, after a backward pass, when Lightning calls it again. Which step that is depends on time, and
        the order decides on the last bits of sums over three processes or more.
        """
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        self.manual_backward(_Zero.apply(*reversed(weights)))
        for weight in weights:
            weight.grad = None

    def _compile_if_enabled(self) -> None:
        """Compile the network if ``speed.compile`` is set, and count the time as the clock's phase ``compile``."""
        if self.speed.compile:
            with self.clock.within("compile"):
                keep_buffers(self.net, self._compile)

    def _freeze_body(self, frozen: FrozenBody) -> None:
        """Train only the head for now."""
        if self.trainer.world_size > 1:
            self.stepper.backward = frozen.freeze_distributed(self.manual_backward)
        else:
            frozen.freeze()

    def _unfreeze_body(self, frozen: FrozenBody) -> None:
        """Train the body as well from now on."""
        frozen.release(self.update.optimizer)
        if self.trainer.world_size > 1:
            self.stepper.backward = self.manual_backward
        self._compile_if_enabled()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules; norms of a frozen body use their running statistics in training, too."""
        super().train(mode)
        if mode and self.update.frozen is not None and self.update.frozen.is_frozen:
            self.update.frozen.keep_statistics()
        return self

    def _compile(self) -> None:
        """Compile the network, and run it once for training and once for evaluation so that no step has to compile."""
        part = chunk(next(self.loaders.train.batches(self.state.step)), self.update.accumulate)[0]

        def try_out() -> None:
            torch.autograd.backward(self.stepper.forward(part))
            self.eval()
            with torch.inference_mode():
                self.objective.measure(self.net, islice(self.loaders.val, 1))
            self.train()

        self.compile_failure = compile_network(self.net, self.speed.compile_mode, try_out)

    def training_step(self, steps: range, _: int) -> None:
        """Take a range of optimizer steps, all of the same epoch.

        Args:
            steps: the steps, counted from 0.
        """
        if self.clock.phase != "train":
            self.clock.enter("train")
        if steps.start % self.plan.steps_per_epoch == 0 and not self._is_first_call:
            self._change_epoch()
            if self.trainer.should_stop:  # a callback ended the run at the end of the epoch
                self.trainer.val_check_batch = _NEVER
                return
        self._is_first_call = False
        frozen, budget = self.update.frozen, self.update.budget
        if frozen is not None and frozen.is_frozen and steps.start >= frozen.until:
            self._unfreeze_body(frozen)
        if self.steady_since is None and steps.start >= _WARMUP * self.plan.total_steps:
            self.steady_since = steps.start, self.clock.train_seconds
        begin = perf_counter()
        if budget is not None:
            budget.begin(steps.start, self._agreed_train_seconds())
        waited = self._take_steps(steps)
        self.clock.add_data_wait(waited)
        self.state.step, self.is_between_steps = steps.stop, self.update.shards is None
        seconds = perf_counter() - begin
        self.tuner.update(len(steps), seconds)
        if line := self._pace.update(len(steps), seconds - waited):
            log.warning(line)
        if self.trainer.world_size > 1:
            self.tuner.agree(self.device)
        if budget is not None:
            self._plan_for_budget(budget)
        set_global_step(self.trainer, self.state.step)
        # Lightning validates when its count of calls is a multiple of this number. Calls take different numbers of
        # steps, so the number is set to decide for this call alone.
        self.trainer.val_check_batch = 1 if self.plan.validates(steps.stop) else _NEVER

    def _take_steps(self, steps: range) -> float:
        """Take optimizer steps, and return the seconds spent waiting for data."""
        batches, take, waited = self._batches, self.stepper.step, 0.0
        assert batches is not None
        self.is_between_steps = False
        if isinstance(self.trainer.model, DistributedDataParallel):
            take = self._take_or_undo
        for step in steps:
            begin = perf_counter()
            batch = next(batches)
            waited += perf_counter() - begin
            if self.update.shards is not None:
                self.update.shards.share_buffers()
            self.results.append(take(step, batch))
            self.state.samples += self._sampler.samples_in(step)
        return waited

    def _take_or_undo(self, step: int, batch: Batch) -> StepResult:
        """Take a step; if another process has gone meanwhile, leave all as it was after the step before.

        Gradients are averaged before any weight changes. By then the network has changed its buffers. A LightningModule
        may have changed more, which is not known, so its step is not undone.
        """
        if self._live_buffers:
            foreach_copy_(self._kept_buffers, self._live_buffers)
        try:
            return self.stepper.step(step, batch)
        except RuntimeError as error:
            has_own_step = self.stepper.needs_closure or isinstance(self.net, pl.LightningModule)
            if is_broken(error) and not has_own_step:  # a closure changes weights between its gradients
                for buffer, kept in zip(self._live_buffers, self._kept_buffers, strict=True):
                    buffer.copy_(kept)
                self.state.step, self.is_between_steps = step, True
            raise

    def _agreed_train_seconds(self) -> float:
        """Return the seconds of training so far, including queued work; all processes get the first one's value."""
        if self.clock.wait_for_device:
            self.clock.wait_for_device()
        return float(self.trainer.strategy.broadcast(self.clock.train_seconds))

    def _plan_for_budget(self, budget: Budget) -> None:
        """Set the last step of the run to the one at which the budget will be used up; end the run if it is now."""
        self.plan.total_steps = budget.end(self.state.step, self._agreed_train_seconds())
        if self.plan.total_steps == self.state.step:
            self.state.stopped = f"{budget.seconds:g} seconds of training are over"
            self.trainer.should_stop = True

    def on_validation_start(self) -> None:
        """Stop the training clock for the validation."""
        self.clock.enter("validate")

    def validation_step(self, *_: int) -> None:
        """Evaluate the whole validation set, which is a single batch to Lightning."""
        self.measured = self._validator.measure(self.state.step)
        # Callbacks read trainer.callback_metrics. self.log fills it as well, but takes 2 ms.
        self.trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self.measured.items()})

    def on_validation_end(self) -> None:
        """Start the training clock again; Lightning has called the callbacks by now, so their time is not counted."""
        self.clock.enter("train")

    def on_train_end(self) -> None:
        """Stop the training clock, and close the data, which ends worker processes."""
        self.clock.enter("checkpoint")
        self.cpu_share = self._cpu.share()
        self._batches = None
        self.loaders.val.close()
        for name in ("on_train_epoch_end", "on_train_end", "on_fit_end"):
            call_hook(self.net, name)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add fastrun's own state to a checkpoint, and that of a LightningModule which is the network."""
        own: dict[str, Any] = {}
        call_hook(self.net, "on_save_checkpoint", own)
        scaler, average = self.update.precision.scaler, self.update.average
        CheckpointState(
            train_state=self.state.state(),
            world_size=self.trainer.world_size,
            clock=self.clock.state(),
            metrics=dict(self.measured) if self.plan.validates(self.state.step) else {},
            config=self._config,
            data=self._learned,
            scaler=scaler.state_dict() if scaler is not None else None,
            average=average.state() if average is not None else None,
            schedule=self.watching.state() if self.watching is not None else None,
            evaluation_weights=self._validator.copy_evaluation_weights(self.state.step),
            model=own or None,
        ).put_into(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore fastrun's own state from a checkpoint.

        Raises:
            CheckpointError: the checkpoint has another format.
            ConfigError: the checkpoint's optimizer has other parameter groups than this run's.
        """
        check_state(self.update.optimizer, checkpoint["optimizer_states"][0])
        saved = CheckpointState.of(checkpoint)
        self.state.load(saved.train_state)
        call_hook(self.net, "on_load_checkpoint", saved.model or {})
        if self._is_config_changed:
            self.state.stopped = None
        self.clock.carry(saved.clock)
        if self.update.budget is not None:  # the steps of the config, which the plan has, may all be done
            end = self.update.budget.end(self.state.step, self.clock.train_seconds)
            self.plan.total_steps = max(self.state.step + 1, end)
            self.trainer.fit_loop.max_epochs = self.plan.epochs
        if self.update.precision.scaler is not None and saved.scaler:
            self.update.precision.scaler.load_state_dict(saved.scaler)
        if self.update.average is not None and saved.average:
            self.update.average.load(saved.average)
        if self.watching is not None and saved.schedule:
            self.watching.load(saved.schedule)

    def _change_epoch(self) -> None:
        """Call the callbacks' hooks for the end of an epoch and the start of the next.

        To Lightning the whole run is a single epoch, so it does not call them itself.
        """
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_train_epoch_end(self.trainer, self)
        call_hook(self.net, "on_train_epoch_end")
        self._set_current_epoch()
        call_hook(self.net, "on_train_epoch_start")
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_train_epoch_start(self.trainer, self)

    def _set_current_epoch(self) -> None:
        """Set ``trainer.current_epoch`` to the epoch of the step that comes next."""
        last = self.plan.total_steps - 1
        set_current_epoch(self.trainer, min(self.state.step, last) // self.plan.steps_per_epoch)


class _Zero(torch.autograd.Function):
    """Zero as a function of weights. Its gradients have the memory layout of the weights."""

    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(*weights)
        return weights[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Any) -> tuple[Tensor, ...]:
        return tuple(map(torch.zeros_like, ctx.saved_tensors))
