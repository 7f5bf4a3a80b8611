"""Building the Lightning Trainer of a run, with everything off that fastrun does itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.strategies import Strategy

from fastrun.components.device.device import Device
from fastrun.storage.checkpoint.io import AtomicCheckpointIO
from fastrun.system.place import Place, find_place


def build_trainer(
    device: Device,
    epochs: int,
    deterministic: bool,
    callbacks: list[pl.Callback],
    folder: str,
    logger: Logger | None = None,
    strategy: Strategy | None = None,
) -> pl.Trainer:
    """Return a Trainer without logging, progress, saving and clipping: fastrun's callbacks and module do these.

    Args:
        device: the device.
        epochs: the most epochs of a run.
        deterministic: whether torch may use only deterministic kernels.
        callbacks: the callbacks, in the order in which they act.
        folder: the run directory.
        logger: the tracker, or None.
        strategy: how the processes work together; None for the usual way.
    """
    plugins: list[Any] = [_Environment(find_place())]
    if strategy is None:  # others have their own
        plugins.append(AtomicCheckpointIO())
    return pl.Trainer(
        accelerator="gpu" if device.torch_device.type == "cuda" else "cpu",
        devices=device.local_size
        if device.world_size > 1 or device.torch_device.type == "cpu"
        else [device.torch_device.index or 0],
        num_nodes=device.nodes,
        strategy=strategy or device.strategy,
        precision="32-true",  # the module enters autocast itself for each step
        max_epochs=epochs,
        deterministic=deterministic,
        benchmark=False if deterministic else None,
        callbacks=callbacks,
        plugins=plugins,
        default_root_dir=folder,
        logger=False if logger is None else logger,
        log_every_n_steps=None if logger is None else 1,  # in calls; some of Lightning's callbacks log
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Environment(LightningEnvironment):
    """The processes of a run as Lightning is told of them, which would look for a launcher by itself.

    Args:
        place: the place of this process; None if it is alone.
    """

    def __init__(self, place: Place | None) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        """Say that Lightning is to start no process: fastrun has, or the launcher."""
        return True

    def global_rank(self) -> int:
        """Return the number of this process."""
        return self._place.rank if self._place else 0

    def local_rank(self) -> int:
        """Return the number of this process on its node."""
        return self._place.local_rank if self._place else 0

    def node_rank(self) -> int:
        """Return the number of this node."""
        return self._place.rank // self._place.local_size if self._place else 0

    def set_global_rank(self, rank: int) -> None:
        """Set nothing: Lightning assumes that the processes of a node have consecutive numbers."""

    def teardown(self) -> None:
        """Change nothing: Lightning would forget an environment variable that another attempt needs."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's tips and warnings for the duration of a block; its loggers get their levels back after it."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric", "torch.distributed"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
