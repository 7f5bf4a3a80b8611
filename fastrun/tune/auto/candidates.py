"""The candidates of a trial: steps of a run with some values of its settings, taken with copies of its network.

The learning rate is 0, so that no weight of a candidate grows without bound.
"""

from __future__ import annotations

import copy
from contextlib import closing
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from fastrun.components.pipeline import Batch
from fastrun.components.speed.compile import compile_network
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.training.builders.loaders import Loaders
from fastrun.training.builders.parts import Parts, build_parts
from fastrun.training.builders.setup import Setup
from fastrun.tune.auto.dimensions import Choice, with_choice
from fastrun.tune.auto.workers import throughput


class StepCandidate:
    """The step of a run with some values of its settings.

    Args:
        parts: the parts of the training.
        batch: a batch of it, on the device.
    """

    def __init__(self, parts: Parts, batch: Batch) -> None:
        still = replace(parts.update, base_lrs=[0.0] * len(parts.update.base_lrs))
        self._stepper = replace(parts, update=still).build_stepper()
        self._device, self._batch, self._count = parts.setup.device.torch_device, batch, 0

    def compile(self, mode: str) -> None:
        """Compile the network.

        Raises:
            RuntimeError: the compiler failed.
        """
        failure = compile_network(
            self._stepper.net, mode, lambda: torch.autograd.backward(self._stepper.forward(self._batch))
        )
        if failure is not None:
            raise RuntimeError(failure)

    def take(self, steps: int, threads: int) -> None:
        """Take some steps, and return when they are done."""
        for _ in range(steps):
            self.step(self._batch, threads)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def step(self, batch: Batch, threads: int) -> None:
        """Take a step with a batch; the device may still be working on it afterwards."""
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        self._stepper.step(self._count, batch)
        self._count += 1


class Candidates:
    """Builds the candidates of a trial, which share the first batch of the run.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        net: the network, on the CPU; each candidate has a copy.
    """

    def __init__(self, settings: Settings, setup: Setup, net: nn.Module) -> None:
        self._settings, self._setup, self._net = settings, setup, net
        self._shared: tuple[Loaders, Batch] | None = None

    def __call__(self, choice: Choice) -> StepCandidate:
        """Return the candidate of a choice.

        Raises:
            RuntimeError: its network cannot be compiled.
        """
        parts = self._build(choice, self._shared[0] if self._shared else None)
        if self._shared is None:
            self._shared = parts.loaders, _first_batch(parts.loaders)
        candidate = StepCandidate(parts, self._shared[1])
        if parts.settings.speed.compile:
            candidate.compile(parts.settings.speed.compile_mode)
        return candidate

    def throughput(self, choice: Choice) -> float:
        """Return the steps a second of a training with the loader of a choice."""
        parts = self._build(choice, None)
        with closing(parts.loaders.train.batches(0)) as batches:
            candidate = StepCandidate(parts, next(batches))
            return throughput(batches, partial(candidate.step, threads=choice["speed.threads"]))

    def _build(self, choice: Choice, loaders: Loaders | None) -> Parts:
        return build_parts(
            with_choice(self._settings, choice),
            self._setup,
            Resolved({}, is_silent=True),
            load_weights=False,
            net=copy.deepcopy(self._net),
            loaders=loaders,
        )


def _first_batch(loaders: Loaders) -> Batch:
    with closing(loaders.train.batches(0)) as batches:
        return next(batches)
