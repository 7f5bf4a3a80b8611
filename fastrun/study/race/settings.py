"""The keys ``race.*`` of a command line: how a race is run; what is left of the line is the run to be beaten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastrun.config.constraints import Count, Natural, Range
from fastrun.config.settings import Time
from fastrun.errors import ConfigError
from fastrun.study.settings import OwnKeys, parse_value, split_keys
from fastrun.study.verdict.judge import least_blocks


@dataclass(frozen=True)
class RaceConfig:
    """How a race is run."""

    space: str | None = None  # what may change, as it was typed; null: the options of every group of heuristics
    budget: Time | None = None  # time of all runs together: 30min or 2h; null: every candidate is tried
    candidates: Annotated[int, Range(ge=2, le=1024)] = 24  # configurations that are tried, at most
    blocks: Count | None = None  # fresh seeds that the winner is compared on; null: the least that can decide
    name: str | None = None  # of the recipe that is written; null: that of the recipe with _raced
    seed: Natural = 0  # of the candidates that are drawn

    @property
    def confirming_blocks(self) -> int:
        """Return how many seeds the winner is compared on."""
        return self.blocks or least_blocks(1)


def split_race(arguments: Iterable[str]) -> tuple[RaceConfig, list[str]]:
    """Part a command line into the keys of the race and the overrides of the run.

    Args:
        arguments: the command line. A space in brackets may be several arguments, as the shell parts it.

    Raises:
        ConfigError: a key does not exist, a value is not allowed, or the blocks are too few to decide.
    """
    values, rest = split_keys(_joined(list(arguments)), OwnKeys("race", RaceConfig, _EXAMPLES, _parsed))
    config = RaceConfig(**values)
    least = least_blocks(1)
    if config.confirming_blocks < least:
        raise ConfigError(f"race.blocks={config.blocks}: no fewer than {least} can decide", f"race.blocks={least}")
    return config, rest


def _joined(arguments: list[str]) -> list[str]:
    """Return the arguments with the parts of a space in brackets put together again."""
    joined: list[str] = []
    for text in arguments:
        last = joined[-1] if joined else ""
        if last.startswith("race.space=[") and last.count("[") > last.count("]"):
            joined[-1] = f"{last} {text}"
        else:
            joined.append(text)
    return joined


def _parsed(name: str, typed: str) -> Any:
    if typed in ("null", ""):
        return None if name != "space" or typed else ""
    return typed if name in ("space", "budget", "name") else parse_value(typed)


_EXAMPLES = {
    "space": "write overrides with values: race.space='[optimizer=sgd,adamw optimizer.lr=0.001..0.1]'",
    "budget": "write race.budget=30min",
    "candidates": "write a whole number: race.candidates=32",
    "blocks": "write a whole number: race.blocks=6",
    "name": "write a name: race.name=faster",
    "seed": "write a whole number: race.seed=1",
}
