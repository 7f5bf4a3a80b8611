"""The settings of a search by Optuna, which ``hydra/sweeper=optuna`` chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_type_hints

from fastrun.config import constraints
from fastrun.config.constraints import Count, Natural, Words
from fastrun.config.value_types import fits, format_type
from fastrun.errors import ConfigError


@dataclass
class OptunaConfig:
    """The settings of a search under ``hydra.sweeper``, with the names and defaults of Optuna."""

    n_trials: Count = 20  # in all: a search that goes on runs what is missing
    direction: Annotated[str, Words(("minimize", "maximize"))] | None = (
        None  # null: as the runs' target metric is better
    )
    sampler: Annotated[str, Words(("tpe", "random", "cmaes"))] = "tpe"  # cmaes needs the package of that name
    seed: Natural = 0  # of the sampler
    n_startup_trials: Natural = 10  # drawn at random, before tpe or cmaes begins to learn
    pruner: Annotated[str, Words(("median", "none"))] = (
        "median"  # median: stop a trial worse than half of the earlier ones were
    )
    pruner_startup_trials: Natural = 5  # finished, before the first is stopped
    n_warmup_steps: Natural = 0  # optimizer steps of a trial, before it may be stopped


def check(config: OptunaConfig) -> None:
    """Check the values beyond their types.

    Args:
        config: the values under ``hydra.sweeper``.

    Raises:
        ConfigError: the first value that does not fit.
    """
    for name, domain in get_type_hints(OptunaConfig, include_extras=True).items():
        key, value = f"hydra.sweeper.{name}", getattr(config, name)
        if not fits(value, domain):
            raise ConfigError(f"{key}={value} has the wrong type", f"it must be {format_type(domain)}")
        constraints.check(key, value, domain)
