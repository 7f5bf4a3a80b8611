"""The parts of a run, for the loops written by hand that fastrun is measured against.

Network, first weights, optimizer settings, schedule, loss, precision, memory layout, data and their order are those
that fastrun would use; so two loops differ in how they run, never in what they compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from fastrun.components.amp.precision import Precision, choose_precision
from fastrun.components.data.splits import Splits
from fastrun.components.device.device import choose_device
from fastrun.components.pipeline.standardize import Standardize
from fastrun.components.schedule import Curve
from fastrun.components.schedule.build import build_curve
from fastrun.components.speed.memory_format import memory_format_of
from fastrun.components.speed.optimizations import apply_optimizations
from fastrun.components.task import Loss
from fastrun.config.plan import Plan, make_plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings, SpeedConfig
from fastrun.system.seed import generator
from fastrun.training.builders.loaders import build_sampler
from fastrun.training.builders.loss import build_loss
from fastrun.training.builders.model import build_network
from fastrun.training.builders.optimizer import build_optimizer
from fastrun.training.builders.setup import Setup, learn, scaling_on


@dataclass
class Twin:
    """What a loop needs."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    rate: float  # the learning rate that the curve's factors apply to
    curve: Curve
    loss: Loss
    amp: Precision
    data: Resident
    device: torch.device


@dataclass(frozen=True)
class Resident:
    """The training set on the device, as bytes, and what makes floats of them."""

    x: Tensor
    y: Tensor
    mean: Tensor
    scale: Tensor
    layout: torch.memory_format | None
    batch: int
    seed: int

    def floats(self, x: Tensor) -> Tensor:
        """Return some samples scaled, in the memory layout that the network wants; tokens are not changed."""
        if x.dtype != torch.uint8:
            return x
        x = x.float().sub_(self.mean).mul_(self.scale)
        return x if self.layout is None else x.contiguous(memory_format=self.layout)

    def indices(self) -> Iterator[Tensor]:
        """Yield the indices of batch after batch, epoch after epoch; an epoch's last, smaller one is left out."""
        epoch = 0
        while True:
            order = torch.randperm(len(self.x), generator=generator(self.seed, "order", epoch)).to(self.x.device)
            yield from (part for part in order.split(self.batch) if len(part) == self.batch)
            epoch += 1

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches, as a good loop written by hand slices them."""
        for chosen in self.indices():
            yield self.floats(self.x.index_select(0, chosen)), self.y.index_select(0, chosen)


def data_of(
    settings: Settings,
    sets: Splits,
    scale: Standardize,
    device: torch.device,
    layout: torch.memory_format | None = None,
) -> Resident:
    """Return a data set's training part on the device."""
    assert isinstance(sets.train, TensorDataset)
    x, y = (tensor.to(device) for tensor in sets.train.tensors)
    scale = scale.to(device)
    return Resident(x, y, scale.mean, scale.scale, layout, settings.batch.size, settings.seed)


def twin(settings: Settings, sets: Splits, fast_kernels: bool = True) -> Twin:
    """Return the parts of a run; without ``fast_kernels`` optimizer and layout are torch's defaults."""
    if not fast_kernels:
        settings = replace(settings, speed=SpeedConfig(kind="plain"))
    setup = Setup(choose_device(settings.device), sets, learn(sets))
    device = setup.device.torch_device
    net = build_network(settings, setup, Resolved({})).to(device)
    apply_optimizations(settings.speed, net, device, settings.deterministic)
    if settings.speed.compile:
        net.compile(mode=settings.speed.compile_mode)
    optimizer = build_optimizer(settings, net)
    plan = plan_of(settings, sets)
    curve = build_curve(settings.schedule, steps_per_epoch=plan.steps_per_epoch, total_steps=plan.total_steps)
    amp = choose_precision(settings.amp.kind, device)
    data = data_of(settings, sets, scaling_on(device, setup.learned), device, memory_format_of(net))
    loss = build_loss(settings, sets.task)
    return Twin(net, optimizer, optimizer.param_groups[0]["lr"], curve, loss, amp, data, device)


def plan_of(settings: Settings, sets: Splits) -> Plan:
    """Return the plan of a run on one device."""
    sampler = build_sampler(settings, sets, choose_device(settings.device), Resolved({}))
    return make_plan(settings, sampler.steps_per_epoch)
