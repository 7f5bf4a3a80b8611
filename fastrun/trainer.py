"""Settings to a Lightning Trainer that does nothing a run did not ask for."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.loggers.logger import Logger

from fastrun.checkpoint_io import DurableCheckpointIO
from fastrun.hardware import Place


def trainer(
    place: Place,
    epochs: int,
    deterministic: bool,
    callbacks: list[pl.Callback],
    folder: str,
    logger: Logger | None = None,
) -> pl.Trainer:
    """Return a Trainer whose own logging, progress, saving and clipping are off: callbacks and module do it."""
    made = pl.Trainer(
        accelerator="gpu" if place.device.type == "cuda" else "cpu",
        devices=place.world if place.world > 1 or place.device.type == "cpu" else [place.device.index or 0],
        strategy="ddp" if place.strategy == "ddp" else "auto",
        precision="32-true",  # the module's own autocast encloses a step, not a call of many
        max_epochs=epochs,
        deterministic=deterministic,
        benchmark=False if deterministic else None,
        callbacks=callbacks,
        plugins=[DurableCheckpointIO(), LightningEnvironment()],  # fastrun.ranks starts processes, whatever SLURM says
        default_root_dir=folder,
        logger=False if logger is None else logger,
        log_every_n_steps=None if logger is None else 1,  # calls, for callbacks of Lightning that log
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    # Lightning would end at SIGTERM with exit code 0, nothing saved; fastrun.signals is asked between two calls.
    made._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return made


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's tips and its advice on logging, which our callbacks do, from the user's screen."""
    logger = logging.getLogger("pytorch_lightning")
    utilities = logging.getLogger("lightning_fabric")
    levels = logger.level, utilities.level
    logger.setLevel(logging.ERROR)
    utilities.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for module in ("pytorch_lightning", "lightning_fabric", "torch.distributed"):
            warnings.filterwarnings("ignore", module=module)
        yield
    logger.setLevel(levels[0])
    utilities.setLevel(levels[1])
