"""How many steps a search takes: what about a minute allows on a usual machine, as far as a step's cost can be told.

The cost of a step is computed from its floating-point operations, since measured time would make two searches differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from fastrun.components.model.buffers import keep_buffers
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import batch_length, map_tensors, tensors_of
from fastrun.training.builders.parts import Parts

SECONDS = 60.0  # that a search should take on a usual machine
TEST_STEPS = 100  # of a range test
TESTS = 3  # range tests, where they are cheap
MOST_SEEDS = 9  # that each value is tried with, where runs are cheap: losses on small data differ much
_SHARE = 1 / 3  # of the time that range tests may take, beyond those of one network
LEAST_STEPS = 100  # of a short run: shorter ones prefer rates that are too high
_PASSES = 3  # a backward pass costs about two forward passes
_FLOPS_PER_SECOND = {"cpu": 6e10}  # of two cores of a laptop or server
_GPU_FLOPS_PER_SECOND = 2e13
_OVERHEAD = 3e-4, 8e-5  # seconds of a step beside its arithmetic, and of each layer in it


@dataclass(frozen=True)
class Effort:
    """How many steps a search takes.

    Attributes:
        seeds: the networks that each value is tried with.
        steps: the steps of each of these short runs.
    """

    seeds: int
    steps: int


def plan_tests(seconds_per_step: float, *, seeds: int | None, steps: int | None) -> Effort:
    """Return how many range tests a search takes, and how long they are.

    Args:
        seconds_per_step: the cost of a step.
        seeds: the seeds that the user asks for; None leaves them open.
        steps: the steps that the user asks for; None leaves them open.
    """
    steps = steps or TEST_STEPS
    affordable = int(SECONDS * _SHARE / seconds_per_step / steps)
    return Effort(seeds or min(TESTS, max(1, affordable)), steps)


def plan_effort(
    seconds_per_step: float,
    total_steps: int,
    values: int,
    *,
    seeds: int | None,
    steps: int | None,
    taken: int = 0,
    least: int = LEAST_STEPS,
) -> Effort:
    """Return how many short runs a search takes, and how long they are.

    Runs as long as the real one come first, then several seeds of each: the best rate depends on a run's length.

    Args:
        seconds_per_step: the cost of a step.
        total_steps: the steps of the run that a number is looked for.
        values: the values that will be tried.
        seeds: the seeds that the user asks for; None leaves them open.
        steps: the steps of a short run that the user asks for; None leaves them open.
        taken: the steps that the rest of the search takes.
        least: the steps of a short run, at least, if the run has as many.
    """
    allowed = int(max(0.0, SECONDS / seconds_per_step - taken) / values)
    if steps is None:
        steps = min(total_steps, max(least, allowed // (seeds or 1)))
    if seeds is None:
        affordable = min(MOST_SEEDS, allowed // steps)
        seeds = max(1, affordable - (affordable + 1) % 2)  # an odd number, whose median is one of the losses
    return Effort(seeds, steps)


def nominal_seconds(parts: Parts) -> float:
    """Return what a step would cost on a usual machine with the run's kind of device, in seconds."""
    batch = next(iter(parts.loaders.train.batches(0)))
    x = next(tensors_of(batch))
    weights = sum(weight.numel() for weight in parts.net.parameters())
    positions = x.shape[1] if parts.setup.splits.task.name == "language" else 1
    flops = max(_count_flops(parts, batch), 2 * weights * len(x) * positions)
    rate = _FLOPS_PER_SECOND.get(x.device.type, _GPU_FLOPS_PER_SECOND)
    layers = sum(1 for module in parts.net.modules() if not any(module.children()))
    own, layer = _OVERHEAD
    return own + layers * layer + _PASSES * flops / rate


def _count_flops(parts: Parts, batch: Batch) -> int:
    """Return the floating-point operations of a forward pass over a batch, as far as torch's counter knows them.

    It does not know every operation, recurrent layers for one. Then the number is too small, or 0.
    """
    was_training = parts.net.training
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), parts.update.precision.autocast():
            first = map_tensors(lambda tensor: tensor[:1], batch)
            keep_buffers(parts.net, lambda: parts.objective.forward(parts.net.eval(), first))
        return int(counter.get_total_flops()) * batch_length(batch)
    except Exception:  # a network of the user's own may not work under the counter
        return 0
    finally:
        parts.net.train(was_training)
