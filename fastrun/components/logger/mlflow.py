"""MLflow: a folder below the run's directory, or any store or server that MLflow knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import MLFlowLogger

from fastrun.components.logger import needs
from fastrun.components.logger.identity import known_as, remember

_LONGEST = 250  # characters of a parameter's value that Lightning hands on


class MLflow(MLFlowLogger):
    """Writes to an MLflow run.

    Args:
        folder: the run's directory.
        name: what the run is called there.
        experiment: what it is part of.
        tracking_uri: a folder, ``sqlite:///file.db`` or ``http://server``; None: the folder ``mlruns`` in the run's
            directory.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, folder: Path, name: str, experiment: str = "fastrun", tracking_uri: str | None = None) -> None:
        uri = tracking_uri or (folder / "mlruns").absolute().as_uri()
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        if uri.startswith("file:") or "://" not in uri:  # MLflow 3 wants to be told that a folder is meant
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        needs("mlflow")
        super().__init__(experiment, name, uri, run_id=known_as(folder, "mlflow"))
        assert self.run_id is not None
        remember(folder, "mlflow", self.run_id)
        self.experiment.update_run(self.run_id, status="RUNNING")

    def log_hyperparams(self, params: Any) -> None:
        """Write the hyperparameters; MLflow changes none, so what a resumed run has changed becomes a tag."""
        assert self.run_id is not None
        known = self.experiment.get_run(self.run_id).data.params
        super().log_hyperparams({key: value for key, value in params.items() if key not in known})
        for key, value in params.items():
            if key in known and known[key] != str(value)[:_LONGEST]:
                self.experiment.set_tag(self.run_id, f"resumed.{key}", str(value))
