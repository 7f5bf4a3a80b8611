"""The function that Hydra calls for a single run, or for a job of one of its own launchers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fastrun.compose.carried_place import CarriedPlace
from fastrun.compose.recipes import RecipeSource
from fastrun.compose.replaced_target import leave_out_arguments
from fastrun.compose.typed import typed
from fastrun.compose.user_folders import note_unused_files
from fastrun.errors import Interrupted
from fastrun.storage.job import Job, Sweeping


class Stop(BaseException):
    """Ends a sweep at once. It is no Exception, so that Hydra does not go on with the next job."""


class Task:
    """Runs a job from its composed config, and holds the function that runs a sweep.

    Args:
        job: runs a job.
        sweep: runs a sweep.
        register: registers fastrun with Hydra in the process of a launcher.

    Attributes:
        failed: the exceptions of jobs, which Hydra would print.
    """

    def __init__(self, job: Callable[[Job], Any], sweep: Sweeping, register: Callable[[], None]) -> None:
        self.job, self.sweep, self.register = job, sweep, register
        self.failed: list[Exception] = []
        self.argv = sys.argv  # the user's; Hydra's own is in sys.argv while it runs

    def __getstate__(self) -> dict[str, Any]:
        """Return what the process of a launcher needs."""
        place = CarriedPlace.of_this_process(self.argv)
        return {"place": place, "job": self.job, "register": self.register, "chosen": RecipeSource.chosen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Prepare the process of a launcher to run jobs."""
        place: CarriedPlace = state["place"]
        place.enter()
        state["register"]()
        RecipeSource.chosen = state["chosen"]
        self.job, self.register, self.argv, self.failed = state["job"], state["register"], place.argv, []

    def __call__(self, config: DictConfig) -> Any:
        """Run a job from its composed config.

        Args:
            config: the composed config, with Hydra's own part.

        Returns:
            The result of the job; None if it failed.

        Raises:
            Stop: a signal interrupted the job.
        """
        sys.argv = self.argv
        hydra = HydraConfig.get()
        folder = Path(OmegaConf.to_container(hydra.runtime)["output_dir"])  # type: ignore[call-overload,index]
        # as it is: the current folder's name, which may look like a reference, is in it
        is_single = OmegaConf.is_missing(hydra.job, "num")
        number = 0 if is_single else int(hydra.job.num)
        overrides = [str(text) for text in hydra.overrides.task]
        try:
            choices = dict(hydra.runtime.choices)
            leave_out_arguments(config, choices, overrides)
            settings = typed(config, choices, overrides if is_single else ())
            note_unused_files(settings.choices)
            return self.job(Job(number, [], overrides, settings, folder))
        except Exception as error:
            self.failed.append(error)
            with suppress(OSError):
                folder.rmdir()  # only if nothing has been written there
            if isinstance(error, Interrupted):
                raise Stop from error
            return None
