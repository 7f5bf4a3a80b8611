"""TensorBoard: event files in the run directory, so that ``tensorboard --logdir outputs`` shows all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from fastrun.components.logger import require_package

_COLUMNS = "val/loss", "summary/best/value", "summary/clock/train"  # columns of the HParams tab


class TensorBoard(TensorBoardLogger):
    """Writes event files. Those of a resumed run hide what was logged after the step that it is resumed from.

    Args:
        folder: the run directory.
        step: the step that the run is resumed from, 0 for a new run.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        require_package("tensorboard")
        purge = step + 1 if step else None
        super().__init__(folder / "tensorboard", name="", version="", default_hp_metric=False, purge_step=purge)

    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None) -> None:
        """Log the hyperparameters at the start, so that the HParams tab lists a run while it trains."""
        from torch.utils.tensorboard.summary import hparams

        super().log_hyperparams(params)  # writes them to hparams.yaml
        writer = self.experiment.file_writer
        table: Any = hparams
        for part in table(params, dict.fromkeys(_COLUMNS, 0.0))[:2]:  # the third part would mark the run as ended
            writer.add_summary(part)
