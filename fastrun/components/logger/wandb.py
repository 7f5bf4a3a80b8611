"""Weights & Biases: offline below the run's directory, to be sent with ``wandb sync``, or online."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import WandbLogger

from fastrun.components.logger import needs
from fastrun.components.logger.identity import known_as, remember


class Wandb(WandbLogger):
    """Writes to a wandb run of its own, whatever other one the process has open.

    Args:
        folder: the run's directory; files go to ``wandb`` in it.
        name: what the run is called there.
        project: what it is part of.
        mode: ``offline`` writes files alone and tries no network; ``online`` needs ``wandb login`` first.
        entity: the user or team that it belongs to; None: yours.
        group: what runs are shown together; None: none.
        tags: words to find it by.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        project: str = "fastrun",
        mode: Literal["offline", "online"] = "offline",
        entity: str | None = None,
        group: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        if mode == "offline":  # wandb reports on its own use even then
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        needs("wandb")
        import wandb

        known = known_as(folder, "wandb")
        run = wandb.init(
            dir=folder,
            id=known,
            name=name,
            project=project,
            entity=entity,
            group=group,
            tags=tags,
            mode=mode,
            resume="allow" if known and mode == "online" else None,  # offline, files of the same id are joined later
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        remember(folder, "wandb", run.id)
        super().__init__(name=name, project=project, experiment=run)
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)

    def finalize(self, status: str) -> None:
        """End the wandb run."""
        super().finalize(status)
        run: Any = self.experiment
        run.finish(exit_code=0 if status == "success" else 1)
