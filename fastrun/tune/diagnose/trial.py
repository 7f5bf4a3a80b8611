"""A training that is built to be measured: it takes steps without a run directory, and is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from time import perf_counter

import torch

from fastrun.components.data.splits import size_of
from fastrun.components.model.buffers import keep_buffers
from fastrun.components.pipeline import Batch, TrainLoader
from fastrun.components.pipeline.mixed import MixedLoader
from fastrun.components.pipeline.structure import batch_length, chunk
from fastrun.components.pipeline.workers import WorkerLoader
from fastrun.components.speed.compile import compile_network
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.training.builders.parts import build_parts
from fastrun.training.builders.setup import Setup
from fastrun.tune.diagnose.timer import Timer

_STANDSTILL = 1e-6  # factor of every learning rate: thousands of steps on one batch must not make the weights diverge


class Trial:
    """A training of one process whose weights hardly move.

    Args:
        settings: the settings; one process, and no budget of time.
        setup: the device and the data.
        clock: returns seconds.

    Attributes:
        parts: what the training is made of.
        device: the device.
        timer: times work on the device.
        batch: a batch that stays on the device.
        size: the number of its samples.
    """

    def __init__(self, settings: Settings, setup: Setup, clock: Callable[[], float] = perf_counter) -> None:
        self.settings = settings
        self.device, self.timer = setup.device.torch_device, Timer(setup.device.torch_device, clock)
        self.threads = settings.speed.threads or torch.get_num_threads()
        self.use_threads()
        self.parts = build_parts(settings, setup, Resolved({}, is_silent=True))
        self.parts.objective.module.to(self.device)
        rates = self.parts.update.base_lrs
        rates[:] = [rate * _STANDSTILL for rate in rates]
        self.stepper = self.parts.build_stepper()
        self._taken = 0
        with closing(self.batches()) as batches:
            self.batch = next(batches)
        self.size = batch_length(self.batch)
        if settings.speed.compile:
            keep_buffers(self.parts.net, self._compile)

    def _compile(self) -> None:
        mode = self.settings.speed.compile_mode
        compile_network(self.parts.net, mode, lambda: torch.autograd.backward(self.stepper.forward(self.part())))

    def use_threads(self) -> None:
        """Compute with the number of threads that this training has from now on."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)

    @property
    def loader(self) -> TrainLoader:
        """Return the loader of training, without the mixing of its batches."""
        loader = self.parts.loaders.train
        return loader.loader if isinstance(loader, MixedLoader) else loader

    @property
    def workers(self) -> int:
        """Return the number of processes that load samples for training; 0 where the process that trains does."""
        return self.loader.num_workers if isinstance(self.loader, WorkerLoader) else 0

    @property
    def queue(self) -> int:
        """Return the number of batches that worker processes prepare ahead."""
        return self.workers * self.settings.pipeline.prefetch

    @property
    def validation_batches(self) -> int:
        """Return the number of batches of a validation."""
        return -(-size_of(self.parts.setup.splits.val) // self.parts.loaders.val.size)

    def batches(self) -> Generator[Batch, None, None]:
        """Return the batches of training from the next step on. Closing them ends worker processes."""
        yield from self.parts.loaders.train.batches(self._taken)

    def part(self) -> Batch:
        """Return the part of the kept batch that is computed at once."""
        return chunk(self.batch, self.parts.update.accumulate)[0]

    def step(self, batch: Batch) -> None:
        """Take an optimizer step with a batch; the schedule begins again after its last step."""
        self.stepper.step(self._taken % self.parts.plan.total_steps, batch)
        self._taken += 1

    def step_on_kept_batch(self) -> None:
        """Take an optimizer step with the batch that is on the device."""
        self.step(self.batch)

    def forward(self) -> None:
        """Compute the loss of the kept batch without its gradients, in as many parts as a step does."""
        for part in chunk(self.batch, self.parts.update.accumulate):
            self.stepper.forward(part)
