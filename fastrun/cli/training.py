"""The training that a command line names: that of a run, or what ``fastrun train`` takes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastrun.errors import ConfigError, UsageError, nearest
from fastrun.redaction import redact_override
from fastrun.report.find_run import UnknownRun, check_is_run, find_run
from fastrun.storage.run_dir import RunDir
from fastrun.system import streams

if TYPE_CHECKING:
    from fastrun.config.settings import Settings

_SOURCE = "transfer.source="


@dataclass(frozen=True)
class Training:
    """A training that is named on the command line.

    Attributes:
        settings: its settings.
        overrides: the overrides that compose them.
        run: the run that it is of, or None.
    """

    settings: Settings
    overrides: list[str]
    run: RunDir | None = None


def compose_training(words: list[str], purpose: str) -> Training:
    """Return the training that words name.

    Args:
        words: a run and other values of its config, or overrides as ``fastrun train`` takes them.
        purpose: what happens to the training, for messages, such as ``diagnosed``.

    Raises:
        UsageError: the first word is neither a run nor an override.
        ConfigError: a value is not allowed.
        CheckpointError: the run directory is of another format.
    """
    from fastrun import compose

    run = _run_of(words)
    if run is None:
        overrides = with_source(words)
        return Training(_compose_one(overrides, purpose), overrides)
    overrides = [*run.overrides(), *words[1:]]
    try:
        return Training(compose.from_config(run.config(), words[1:], has_trackers=False), overrides, run)
    except ConfigError as error:
        if error.hint and error.hint.startswith("a run can resume with other values"):
            typed = shlex.join(map(redact_override, overrides))
            raise ConfigError(error.message, f"for other options, type the training: {typed}") from error
        raise


def _run_of(words: list[str]) -> RunDir | None:
    """Return the run that the first word names; None if it is an override, or there is no word.

    Raises:
        UsageError: it is neither, or a sweep or a study.
    """
    first = words[0] if words else "="
    is_override = "=" in first or first.startswith(("+", "~"))
    if is_override and not os.path.isfile(f"{first}/config.yaml"):  # noqa: PTH113 (False for what is too long)
        return None
    try:
        path = find_run(first)
        check_is_run(path, first)
    except UnknownRun as error:
        raise UsageError(f"{first} is neither a run directory nor KEY=VALUE", _hint(first, error)) from error
    return RunDir.open(path)


def _compose_one(overrides: list[str], purpose: str) -> Settings:
    """Return the settings that overrides compose to, each of which has one value."""
    from fastrun import compose

    try:
        return compose.compose(overrides)
    except ConfigError as error:
        if error.hint and error.hint.startswith("add -m "):  # as for a sweep
            raise ConfigError(error.message, f"one training is {purpose} at a time: give one value") from error
        raise


def with_source(words: Iterable[str]) -> list[str]:
    """Return overrides with a run that ``transfer.source`` names by a word, such as ``latest``, as its directory.

    Raises:
        UsageError: the word names several runs.
    """
    return [_with_source(word) if word.lstrip("+").startswith(_SOURCE) else word for word in words]


def _with_source(override: str) -> str:
    key, _, word = override.partition("=")
    if word == "pretrained" or word.startswith("timm:") or os.path.exists(os.path.expanduser(word)):  # noqa: PTH110, PTH111
        return override
    try:
        path = find_run(word)
    except UnknownRun:
        return override  # the run itself says what is wrong with it
    streams.say_error(f"note: {override} is {path}")
    return f"{key}={path}"


def _hint(word: str, error: UnknownRun) -> str:
    """Return what someone most likely meant by a word that is no run directory."""
    from fastrun.config import registry

    if word in registry.recipes():
        return f"a recipe is written +recipe={word}"
    if error.hint and error.hint.startswith("did you mean"):
        return error.hint
    return nearest(word, registry.recipes()) or "`fastrun runs` lists the runs, `fastrun recipes` the recipes"
