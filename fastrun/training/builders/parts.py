"""The parts of a training, from the sampler to the update rule, without Lightning and without a run directory."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from fastrun.components.amp.precision import choose_precision
from fastrun.components.model.recorded import RecordedNetwork
from fastrun.components.pipeline.sampler import StatelessSampler
from fastrun.components.speed.malloc import return_freed_memory
from fastrun.components.speed.optimizations import Optimizations, apply_optimizations, describe_fused_kernels
from fastrun.components.transfer.lora import add_adapters
from fastrun.components.transfer.same_tokens import check_same_tokens
from fastrun.components.transfer.start import load_pretrained
from fastrun.config.plan import Plan, make_plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system.clock import Clock
from fastrun.training.builders.loaders import Loaders, build_loaders, build_sampler
from fastrun.training.builders.model import build_network, check_takes_one
from fastrun.training.builders.objective import build_objective
from fastrun.training.builders.optimizer import build_update_rule
from fastrun.training.builders.setup import Setup
from fastrun.training.objective import Objective
from fastrun.training.objective.lightning_module import attach_trainer, has_own_loss
from fastrun.training.objective.planned_trainer import PlannedTrainer
from fastrun.training.step import Stepper, UpdateRule

if TYPE_CHECKING:
    from fastrun.components.device.shards import Shards


@dataclass(frozen=True)
class Parts:
    """What a training is made of.

    Attributes:
        settings: the settings, with the batch size that is used.
        setup: the device and the data.
        sampler: the samples of each step.
        plan: the steps at which the run validates, saves and ends.
        net: the network, on the device.
        optimizations: which optimizations are used, and why others are not.
        update: how a step turns gradients into new weights.
        objective: what the network learns: the loss, and the metrics of a validation.
        loaders: the batches of training and validation.
    """

    settings: Settings
    setup: Setup
    sampler: StatelessSampler
    plan: Plan
    net: nn.Module
    optimizations: Optimizations
    update: UpdateRule
    objective: Objective
    loaders: Loaders

    def build_stepper(self) -> Stepper:
        """Return what takes optimizer steps in this process alone, for measuring; a run's Lightning module has its own.

        The network is in training mode afterwards, and a body that a run freezes at first is frozen.
        """
        self.net.train()
        stepper = Stepper(
            self.net,
            self.objective,
            self.update,
            device=self.setup.device.torch_device,
            rank=0,
            world_size=1,
            clock=Clock(time.time()),
            backward=Tensor.backward,
        )
        if self.update.frozen is not None:
            self.update.frozen.freeze()  # last: the stepper clips the body's gradients, too, and norms keep their mode
        return stepper


def build_parts(
    settings: Settings,
    setup: Setup,
    resolved: Resolved,
    *,
    load_weights: bool = True,
    net: nn.Module | None = None,
    loaders: Loaders | None = None,
    divide: bool = False,
) -> Parts:
    """Build the parts of a training.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        resolved: records what each group's option resolves to.
        load_weights: load the weights that ``transfer`` asks for. A run that is resumed has them in its checkpoint.
        net: a network to use, which moves to the device; None builds one.
        loaders: loaders to use; None builds them.
        divide: divide the weights among the processes if the device is to, for which these must be connected. A
            measurement by one process does not.

    Raises:
        ConfigError: a part cannot be built, or two of them exclude each other.
    """
    device = setup.device.torch_device
    sampler = build_sampler(settings, setup.splits, setup.device, resolved)
    settings = replace(settings, batch=replace(settings.batch, size=sampler.batch_size))  # a small set cuts it
    plan = make_plan(settings, sampler.steps_per_epoch)
    net = net or build_network(settings, setup, resolved)
    if isinstance(net, RecordedNetwork):
        setup = replace(setup, learned=replace(setup.learned, network=net.record))
    attach_trainer(net, PlannedTrainer.of(plan))
    if settings.transfer.kind != "none" and load_weights:
        if settings.transfer.source and setup.learned.is_text:
            check_same_tokens(settings.transfer.source, setup.learned.tokenizer, setup.learned.classes)
        load_pretrained(settings.transfer, net, plan, resolved, settings.seed)
    elif settings.transfer.kind == "lora":
        add_adapters(net, settings.transfer, settings.seed)
    if sampler.smallest_part(settings.batch.accumulate) == 1 and not has_own_loss(net):
        check_takes_one(net, setup)
    is_divided = divide and setup.device.is_sharded
    if not is_divided:  # else each block moves when it is divided
        net = net.to(device)
    optimizations = apply_optimizations(settings.speed, net, device, settings.deterministic)
    precision = choose_precision(settings.amp.kind, device)
    shards = _divide(settings, net, setup) if is_divided else None
    resolved.record("amp", precision.name, settings.speed.why("amp") or precision.why)
    update = build_update_rule(settings, net, precision, plan, shards)
    optimizations |= describe_fused_kernels(update.optimizer)
    objective = build_objective(settings, setup, sampler, plan, net, precision, resolved)
    loaders = loaders or build_loaders(settings, setup, sampler, resolved)
    return Parts(settings, setup, sampler, plan, net, optimizations, update, objective, loaders)


def _divide(settings: Settings, net: nn.Module, setup: Setup) -> Shards:
    """Divide the weights of a network among the processes of the run.

    Raises:
        ConfigError: they cannot be divided.
    """
    from fastrun.components.device.shards import Shards

    if has_own_loss(net):
        message = (
            "device=fsdp puts weights together for the forward pass of a network, and a LightningModule has others"
        )
        raise ConfigError(message, "use device=ddp")
    if setup.device.torch_device.type == "cpu" and not settings.speed.malloc:
        return_freed_memory()
    return Shards(net, setup.device.torch_device, settings.device.offload)
