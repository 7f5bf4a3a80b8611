"""MLflow: a folder in the run directory, or any store or server that MLflow knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from fastrun.components.logger import require_package
from fastrun.components.logger.identity import save_id, saved_id

_MAX_LENGTH = 250  # characters of a parameter's value that Lightning logs


class MLflow(MLFlowLogger):
    """Logs to an MLflow run.

    Args:
        folder: the run directory.
        name: the name of the run in MLflow.
        experiment: the experiment that the run belongs to.
        tracking_uri: a folder, ``sqlite:///file.db`` or ``http://server``; None for the folder ``mlruns`` in the run
            directory.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, folder: Path, name: str, experiment: str = "fastrun", tracking_uri: str | None = None) -> None:
        uri = tracking_uri or (folder / "mlruns").absolute().as_uri()
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        if uri.startswith("file:") or "://" not in uri:  # MLflow 3 refuses folders without this
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        require_package("mlflow")
        super().__init__(experiment, name, uri, run_id=saved_id(folder, "mlflow"))
        assert self.run_id is not None
        save_id(folder, "mlflow", self.run_id)
        self.experiment.update_run(self.run_id, status="RUNNING")

    def log_hyperparams(self, params: Any) -> None:
        """Log the hyperparameters. MLflow cannot change one, so a value that a resumed run changes becomes a tag."""
        assert self.run_id is not None
        known = self.experiment.get_run(self.run_id).data.params
        super().log_hyperparams({key: value for key, value in params.items() if key not in known})
        for key, value in params.items():
            if key in known and known[key] != str(value)[:_MAX_LENGTH]:
                self.experiment.set_tag(self.run_id, f"resumed.{key}", str(value))
