"""What ``hydra/sweeper=optuna`` can be configured with."""

from __future__ import annotations

from dataclasses import dataclass, fields

from fastrun.config import constraints
from fastrun.config.constraints import at_least, choice


@dataclass
class OptunaConfig:
    """A search by Optuna, under ``hydra.sweeper``; names and defaults are Optuna's, where it has them."""

    n_trials: int = at_least(1, default=20)  # in all: a search that goes on runs what is missing
    direction: str | None = choice(None, "minimize", "maximize", None)  # null: as the runs' target metric is better
    sampler: str = choice("tpe", "tpe", "random", "cmaes")  # cmaes needs the package of that name
    seed: int = at_least(0, default=0)  # of the sampler
    n_startup_trials: int = at_least(0, default=10)  # drawn at random, before tpe or cmaes begins to learn
    pruner: str = choice("median", "median", "none")  # median: stop a trial worse than half of the earlier ones were
    pruner_startup_trials: int = at_least(0, default=5)  # finished, before the first is stopped
    n_warmup_steps: int = at_least(0, default=0)  # optimizer steps of a trial, before it may be stopped


def check(config: OptunaConfig) -> None:
    """Check what types cannot say.

    Args:
        config: the values under ``hydra.sweeper``.

    Raises:
        ConfigError: the first value that does not fit.
    """
    for entry in fields(config):
        constraints.check(f"hydra.sweeper.{entry.name}", getattr(config, entry.name), entry)
