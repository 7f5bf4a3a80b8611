"""Weights & Biases: offline in the run directory, for ``wandb sync`` to send, or online."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import WandbLogger

from fastrun.components.logger import require_package
from fastrun.components.logger.identity import save_id, saved_id


class Wandb(WandbLogger):
    """Logs to a new wandb run, independent of any other that the process has open.

    Args:
        folder: the run directory; files go to ``wandb`` in it.
        name: the name of the run in wandb.
        project: the project that the run belongs to.
        mode: ``offline`` only writes files and uses no network; ``online`` needs ``wandb login`` first.
        entity: the user or team that owns the run; None for the default of the account.
        group: the group under which wandb shows the run with others; None for no group.
        tags: tags of the run.

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
        if mode == "offline":  # otherwise wandb reports its own errors over the network
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        require_package("wandb")
        import wandb

        known = saved_id(folder, "wandb")
        run = wandb.init(
            dir=str(folder),
            id=known,
            name=name,
            project=project,
            entity=entity,
            group=group,
            tags=tags,
            mode=mode,
            resume="allow" if known and mode == "online" else None,  # wandb sync joins offline files of the same id
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        save_id(folder, "wandb", run.id)
        super().__init__(name=name, project=project, experiment=run)
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)

    def finalize(self, status: str) -> None:
        """Close the wandb run."""
        super().finalize(status)
        run: Any = self.experiment
        run.finish(exit_code=0 if status == "success" else 1)
