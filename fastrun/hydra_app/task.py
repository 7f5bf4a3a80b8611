"""What Hydra calls for a job that it runs itself: a single run, or one of a launcher of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fastrun.errors import Interrupted
from fastrun.hydra_app.composing import typed
from fastrun.job import Job, Sweeping


class Stop(BaseException):
    """Ends a sweep at once, past Hydra, which would go on with the next job."""


class Task:
    """Runs a job from its composed config, and knows how a sweep is run.

    Attributes:
        failed: what jobs raised, carried past Hydra, which would print it.
    """

    def __init__(self, job: Callable[[Job], Any], sweep: Sweeping) -> None:
        self.job, self.sweep = job, sweep
        self.failed: list[Exception] = []

    def __getstate__(self) -> dict[str, Any]:
        """Take along, to the process of a launcher, where this one is and what its user trusts."""
        carried = {name: os.environ[name] for name in ("FASTRUN_TRUST",) if name in os.environ}
        return {"job": self.job, "path": sys.path, "folder": Path.cwd(), "environ": carried}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the process of a launcher one that can run jobs."""
        from fastrun.hydra_app.registering import register

        sys.path += [entry for entry in state["path"] if entry not in sys.path]
        os.environ.update(state["environ"])
        os.chdir(state["folder"])
        register()
        self.job, self.failed = state["job"], []

    def __call__(self, config: DictConfig) -> Any:
        """Run the job."""
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        number = 0 if OmegaConf.is_missing(hydra.job, "num") else int(hydra.job.num)
        said = [str(text) for text in hydra.overrides.task]
        try:
            return self.job(Job(number, [], said, typed(config, dict(hydra.runtime.choices)), folder))
        except Exception as error:
            self.failed.append(error)
            with suppress(OSError):
                folder.rmdir()  # only if nothing has been written there
            if isinstance(error, Interrupted):
                raise Stop from error
            return None
