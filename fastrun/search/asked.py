"""What ``hydra/sweeper=optuna`` can be told."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.errors import ConfigError, nearest


@dataclass
class Asked:
    """A search by Optuna, under ``hydra.sweeper``; names and defaults are Optuna's, where it has them."""

    n_trials: int = 20  # in all: a search that goes on runs what is missing
    direction: str | None = None  # minimize or maximize; null: as the runs' target metric is better
    sampler: str = "tpe"  # tpe, random, or cmaes, which needs the package of that name
    seed: int = 0  # of the sampler
    n_startup_trials: int = 10  # drawn at random, before tpe or cmaes begins to learn
    pruner: str = "median"  # none, or median: stop a trial that is worse than half of the earlier ones were there
    pruner_startup_trials: int = 5  # finished, before the first is stopped
    n_warmup_steps: int = 0  # optimizer steps of a trial, before it may be stopped


_WORDS = {
    "direction": ("minimize", "maximize", None),
    "sampler": ("tpe", "random", "cmaes"),
    "pruner": ("median", "none"),
}
_LEAST = {"n_trials": 1, "seed": 0, "n_startup_trials": 0, "pruner_startup_trials": 0, "n_warmup_steps": 0}


def check(asked: Asked) -> None:
    """Check what types cannot say.

    Raises:
        ConfigError: the first that does not fit.
    """
    for key, words in _WORDS.items():
        word = getattr(asked, key)
        if word not in words:
            known = [one for one in words if one]
            hint = nearest(str(word), known) or f"choose from {', '.join(known)}"
            raise ConfigError(f"hydra.sweeper.{key}={word} is not known", hint)
    for key, least in _LEAST.items():
        if getattr(asked, key) < least:
            raise ConfigError(f"hydra.sweeper.{key}={getattr(asked, key)} is too small", f"the least is {least}")
