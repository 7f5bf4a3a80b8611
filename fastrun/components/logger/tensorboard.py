"""TensorBoard: event files below the run's directory, so that ``tensorboard --logdir outputs`` shows all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from fastrun.components.logger import needs

_COLUMNS = "val/loss", "summary/best/value", "summary/clock/train"  # beside the hyperparameters of the HParams tab


class TensorBoard(TensorBoardLogger):
    """Writes event files; those of a run that resumes hide what the first attempt wrote past the step it goes on from.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        needs("tensorboard")
        purge = step + 1 if step else None
        super().__init__(folder / "tensorboard", name="", version="", default_hp_metric=False, purge_step=purge)

    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None) -> None:
        """Write the hyperparameters at once, so that the HParams tab has a run while it trains."""
        from torch.utils.tensorboard.summary import hparams

        super().log_hyperparams(params)  # keeps them for hparams.yaml
        writer = self.experiment.file_writer
        table: Any = hparams
        for part in table(params, dict.fromkeys(_COLUMNS, 0.0))[:2]:  # the third would say that the run has ended
            writer.add_summary(part)
