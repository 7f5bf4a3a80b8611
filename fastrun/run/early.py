"""Checks that come before torch is imported and before the run directory exists, so that mistakes show at once.

Whatever needs the data itself, the network or torch is checked later. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Collection

from fastrun.components.amp.fp16 import check_fp16
from fastrun.components.data.early import check_early as check_data
from fastrun.components.device.presence import check_early as check_device
from fastrun.components.device.presence import has_no_gpu
from fastrun.components.optimizer.rate_values import check_rate_values
from fastrun.components.schedule.build import check_early as check_schedule
from fastrun.components.transfer.source_file import find_source
from fastrun.config import instantiate, objects
from fastrun.config.plan import total_steps
from fastrun.config.settings import OPEN, Settings
from fastrun.errors import ConfigError
from fastrun.system.place import find_place

_NOT_ARGUMENTS = {"optimizer": ("layer_decay", "lr_scale")}  # keys of a component that its target does not get


def check_early(settings: Settings, *, loads_weights: bool = True, given: Collection[str] = ()) -> None:
    """Check the settings of a run against the machine, the files that it reads, and what components take.

    Args:
        settings: the settings of the run.
        loads_weights: whether it reads the weights that ``transfer`` asks for; a run that goes on does not.
        given: those of ``model``, ``data`` and ``callbacks`` that are there as objects.

    Raises:
        ConfigError: a value is not allowed, or cannot be used on this machine or in a run of this length.
        DataError: the data is not where ``data.root`` says.
        CheckpointError: the weights are not where ``transfer.source`` says.
    """
    objects.check_present(settings, given)
    if given and settings.device.world_size > 1:
        count = settings.device.world_size
        message = f"device.count={count}: the other processes cannot be given the {' and '.join(given)}"
        raise ConfigError(message, "device.count=1, or name the code in the config: model._target_=mymod.Net")
    check_device(settings.device)
    check_launched(settings)
    check_fp16(settings.amp.kind, settings.device.accelerator != "cpu" and not has_no_gpu())
    for group in OPEN:
        if group != "schedule" and group not in given:
            instantiate.check_early(group, getattr(settings, group), *_NOT_ARGUMENTS.get(group, ()))
    for name, config in settings.callbacks.items():
        if not objects.is_object(config):
            instantiate.check_early(f"callbacks.{name}", config)
    for name, config in settings.metrics.items():
        instantiate.check_early(f"metrics.{name}", config, "higher_is_better")
    rates = settings.optimizer
    check_rate_values(rates.get("layer_decay", 1.0), {} if rates.get("lr_scale") is None else rates["lr_scale"])
    check_schedule(settings.schedule, epochs=settings.epochs, total_steps=total_steps(settings))
    check_data(settings.data)
    if loads_weights:
        _check_sources(settings)
    transfer = settings.transfer
    if loads_weights and transfer.kind != "none" and (transfer.source or not settings.model.get("source")):
        find_source(transfer.source)


def _check_sources(settings: Settings) -> None:
    """Check where a network of transformers and a tokenizer come from.

    Raises:
        ConfigError: there is no such path, and it is no name of the hub.
    """
    has_text = settings.data.get("_target_") in ("text", "hf")  # for other data the tokenizer does not count
    for group, name in (("model", "hf"), ("tokenizer", "pretrained"))[: 1 + has_text]:
        config = getattr(settings, group)
        if config.get("_target_") == name and config.get("source"):
            from fastrun.components.hub import find_path  # imports urllib, for which few runs have use

            find_path(f"{group}.source", config["source"])


def check_launched(settings: Settings) -> None:
    """Check that a launcher has started the processes of a run on several machines.

    Raises:
        ConfigError: none has.
    """
    nodes, count = settings.device.nodes, settings.device.count
    if nodes > 1 and find_place() is None:
        message = f"device.nodes={nodes}: no launcher has started the processes"
        hint = f"on each of the nodes: torchrun --nnodes {nodes} --nproc-per-node {count} … -m fastrun train …; or srun"
        raise ConfigError(message, hint)
