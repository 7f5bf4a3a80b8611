"""Choosing the batch size for ``batch=auto`` by timing steps of a network that is thrown away afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from fastrun.components.amp.precision import choose_precision
from fastrun.components.batch.size_search import SMALLEST, BatchSizeResult, Trial, search, within_free_memory
from fastrun.components.data.splits import size_of
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import map_tensors
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system import memory
from fastrun.training.builders.model import build_network
from fastrun.training.builders.objective import batch_of, untried_objective
from fastrun.training.builders.optimizer import build_optimizer
from fastrun.training.builders.setup import Setup

_STEPS = 16  # an epoch has at least as many: on small data, larger batches leave too few steps

log = logging.getLogger("fastrun")


def choose_batch_size(settings: Settings, setup: Setup) -> Settings:
    """Return the settings with the batch size that is fastest on this machine.

    Raises:
        ConfigError: not even the smallest batch fits into memory, or the run keeps its weights elsewhere.
    """
    if settings.device.offload:
        message = "batch=auto tries sizes with all weights on the GPU, and device.offload=true keeps them off it"
        raise ConfigError(message, "batch=fixed, with a batch.size")
    shares = setup.device.world_size * settings.batch.accumulate
    has_gpu = setup.device.torch_device.type == "cuda"
    most = max(1, size_of(setup.splits.train) // shares // _STEPS)
    result = measure_sizes(settings, setup, most, to_the_limit=has_gpu)
    log.info(f"batch: {result.describe()}")
    batch = replace(settings.batch, kind="fixed", size=result.size * shares, found=result.describe())
    return replace(settings, batch=batch)


def measure_sizes(settings: Settings, setup: Setup, most: int, *, to_the_limit: bool) -> BatchSizeResult:
    """Measure the throughput of batch sizes by steps of a network that is thrown away, which frees its memory.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        most: the largest size to try.
        to_the_limit: go on to the largest size that fits even where larger ones are not faster.

    Raises:
        ConfigError: not even the smallest size fits into memory.
    """
    try:
        return _search(settings, setup, most, to_the_limit)
    finally:
        memory.release_unused()  # of the network that was tried out, which may have filled a GPU


def _search(settings: Settings, setup: Setup, most: int, to_the_limit: bool) -> BatchSizeResult:
    """Measure sizes up to ``most``; the network that takes the steps is not referred to any more on return."""
    has_gpu = setup.device.torch_device.type == "cuda"
    trial = _build_trial(settings, setup)
    return search(trial if has_gpu else within_free_memory(trial), most, to_the_limit)


def _build_trial(settings: Settings, setup: Setup) -> Trial:
    """Return a function that takes a step with a number of samples: the first ones of the training set, repeated."""
    train = setup.splits.train
    batch = batch_of(train, min(size_of(train), SMALLEST), setup)
    step = _build_step(settings, setup)

    def trial(size: int) -> None:
        step(map_tensors(lambda part: _repeat(part, size), batch))
        if setup.device.torch_device.type == "cuda":
            torch.cuda.synchronize()

    return trial


def _repeat(part: Tensor, size: int) -> Tensor:
    """Return a batch ``[size, …]`` of the samples of a smaller one, repeated."""
    times = -(-size // len(part))
    return part.repeat(times, *[1] * (part.ndim - 1))[:size]


def _build_step(settings: Settings, setup: Setup) -> Callable[[Batch], None]:
    """Return a function that takes a step of a new network, without schedule, clipping or averaging."""
    device = setup.device.torch_device
    net = build_network(settings, setup, Resolved({})).to(device).train()
    optimizer, precision = build_optimizer(settings, net), choose_precision(settings.amp.kind, device)
    objective = untried_objective(settings, setup, net, precision)
    objective.module.to(device)

    def step(batch: Batch) -> None:
        with precision.autocast():
            value = objective.loss(net, batch, 0)
        torch.autograd.backward(value)
        optimizer.step()
        optimizer.zero_grad()

    return step
