"""What becomes of a run that goes on with another number of processes: its batches stay, and what changes is said."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from fastrun.components.data.splits import Splits, size_of
from fastrun.components.norm.kinds import BatchNorm
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError


def keep_batches(settings: Settings, splits: Splits, before: int) -> Settings:
    """Return the settings with which the batches of a run stay the same, in the same order.

    Several processes leave out the last batch of an epoch if it is smaller.

    Args:
        settings: the settings of the run, with the new number of processes.
        splits: its data.
        before: the number of processes that it had.

    Raises:
        ConfigError: the batches cannot stay the same.
    """
    batch, now = settings.batch, settings.device.world_size
    if batch.drop_last or now == before:
        return settings
    if before > 1:
        return replace(settings, batch=replace(batch, drop_last=True))
    if size_of(splits.train) % batch.size:
        message = f"{now} processes cannot go on with batch.drop_last=false: they need batches of one size"
        raise ConfigError(message, "resume with one process")
    return settings


def describe(before: int, settings: Settings, net: nn.Module) -> str:
    """Return what changes with the number of processes, in words.

    Args:
        before: the number of processes that the run had.
        settings: the settings of the run, with the new number.
        net: the network.
    """
    size, now = settings.batch.size, settings.device.world_size
    differs = "the last bits of sums and what the network draws at random"
    if any(isinstance(module, BatchNorm) for module in net.modules()):
        parts = [size // count // settings.batch.accumulate for count in (before, now)]
        differs += f", and batch norm, which takes {parts[1]} samples together instead of {parts[0]},"
    had = "one process" if before == 1 else f"{before} processes"
    batches = "the same batches in the same order"
    return f"the run had {had} and goes on with {now}: {batches}, but {differs} differ from here"
