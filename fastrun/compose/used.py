"""That a run uses what its command line says: no value is dropped because another option is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastrun.config import unused
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.storage.job import Job


def check_run(settings: Settings, overrides: Sequence[str]) -> None:
    """Check the overrides of a run.

    Args:
        settings: the settings that they compose to.
        overrides: the overrides.

    Raises:
        ConfigError: the run does not use a value; the error is about the first such value.
    """
    for _, error in _refusals(settings, overrides):
        if error is not None:
            raise error


def check_jobs(jobs: Sequence[Job]) -> None:
    """Check the overrides of a sweep's jobs; what one of them uses, the others need not.

    Args:
        jobs: the jobs, or those at the ends of a search's space.

    Raises:
        ConfigError: no job uses a value; the error is about the first such value.
    """
    refused: dict[str, ConfigError] = {}
    used = set()
    for job in jobs:
        for key, error in _refusals(job.settings, job.overrides):
            if error is None:
                used.add(key)
            else:
                refused.setdefault(key, error)
    for key, error in refused.items():
        if key not in used:
            raise error


def _refusals(settings: Settings, overrides: Sequence[str]) -> Iterator[tuple[str, ConfigError | None]]:
    """Yield the key of each value, and the error if the run does not use it."""
    values = list(_values(overrides))
    has_steps = any(key == "steps" for key, _ in values)
    for key, value in values:
        if key == "epochs" and settings.steps is not None and not has_steps:
            yield key, ConfigError(f"epochs={value}: steps={settings.steps} goes before it", "add steps=null")
        else:
            yield key, unused.refusal(settings, key, value)


def _values(overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the key and the text of each override that sets a value."""
    for override in overrides:
        key, equals, value = override.lstrip("+").partition("=")
        if equals and not key.startswith(("~", "hydra.", "hydra/")):
            yield key.partition("@")[0], value
