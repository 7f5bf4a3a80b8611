"""Runs a command line in Hydra's whole grammar: its flags, overrides and sweeps."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

import hydra

from fastrun.compose.choices import note_choices
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.hydra_internals import composing_once
from fastrun.compose.naming import quoted
from fastrun.compose.path_values import quote_paths
from fastrun.compose.plugins import register
from fastrun.compose.redact import redact_yaml
from fastrun.compose.task import Stop, Task
from fastrun.compose.user_folders import with_folder
from fastrun.config import registry, synonyms
from fastrun.config.names import stamp
from fastrun.config.paths import shipped
from fastrun.config.settings import known_keys, top_level_keys
from fastrun.errors import UsageError
from fastrun.storage.job import Job, Sweeping
from fastrun.system.argument_parser import ArgumentParser

_SWITCHES = {
    "help": "-h",
    "hydra-help": "",
    "version": "",
    "resolve": "",
    "run": "-r",
    "multirun": "-m",
    "shell-completion": "-sc",
}
_VALUES = {"cfg": "-c", "package": "-p", "config-path": "-cp", "config-name": "-cn", "config-dir": "-cd", "info": "-i"}
_CONFIG_DIR = "config-dir"  # its files are checked, so Hydra is not told of it
_CHOICES = {"cfg": ["job", "hydra", "all"]}
_SWEEP_ONLY = "sweep.zip=", "sweep.random=", "sweep.file="


def run(arguments: list[str], job: Callable[[Job], Any], sweep: Sweeping, folder: Path | None = None) -> None:
    """Compose a command line and run what it asks for.

    Args:
        arguments: the command line.
        job: runs a single run, or a job of a sweep for a launcher that is not fastrun's own.
        sweep: runs a sweep.
        folder: the folder of a sweep that goes on; None for a new one.

    Raises:
        UsageError: an unknown flag.
        ConfigError: a recipe, group, option, key or value is not allowed or does not exist.
        StorageError: the output folder cannot be written.
    """
    register()
    _check_flags(arguments)
    given = _parser().parse_intermixed_args(arguments)
    is_sweep = given.multirun or any(text.startswith("hydra.mode=") for text in given.overrides)
    overrides = quote_paths(given.overrides, is_sweep=is_sweep)
    is_information = bool(given.shell_completion or given.info)
    _check_is_sweep(given, is_information)
    _check_one_purpose(given)
    if not is_information:
        overrides = [*_output_folders(), *overrides]
    if folder:
        overrides.append(f"hydra.sweep.dir={quoted(str(folder))}")
    task = Task(job, sweep, register)
    with translate_errors(overrides), with_folder(given.config_dir):
        if not is_information:
            note_choices(overrides, is_sweep=is_sweep)
        once = nullcontext() if given.config_path else composing_once(overrides)  # files there may set hydra.mode
        line = _command_line([*_flags(given), *overrides])
        with _full_errors(), redact_yaml(), once, line, suppress(Stop):
            hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name="train")(task)()
        if task.failed:
            raise task.failed[0]


def _output_folders() -> list[str]:
    """Return the overrides that give a run or a sweep a new folder."""
    mark = stamp()
    return [
        f"hydra.run.dir=${{outputs}}/${{fastrun_name:}}/{mark}",
        f"hydra.sweep.dir=${{outputs}}/${{fastrun_name:}}/sweep-{mark}",
    ]


def _parser() -> ArgumentParser:
    """Return a parser for the flags that Hydra documents for its command line."""
    parser = ArgumentParser("fastrun train", add_help=False)
    for name, short in _SWITCHES.items():
        parser.add_argument(f"--{name}", *filter(None, [short]), action="store_true")
    for name, short in _VALUES.items():
        optional = {"nargs": "?", "const": "all"} if name == "info" else {}
        parser.add_argument(f"--{name}", short, choices=_CHOICES.get(name), **optional)  # type: ignore[arg-type]
    parser.add_argument("overrides", nargs="*")
    return parser


def _flags(given: argparse.Namespace) -> Iterator[str]:
    """Yield the given flags in the form ``--name=value``, which Hydra's own parser takes before overrides."""
    for name in _SWITCHES:
        if getattr(given, name.replace("-", "_")):
            yield f"--{name}"
    for name in _VALUES:
        value = getattr(given, name.replace("-", "_"))
        if value is not None and name != _CONFIG_DIR:
            yield f"--{name}={value}"


def _check_is_sweep(given: argparse.Namespace, is_information: bool) -> None:
    """Check that overrides about the points of a sweep are given for a sweep.

    Raises:
        UsageError: there is such an override, and no sweep.
    """
    for override in given.overrides:
        is_sweep = given.multirun or given.cfg or is_information
        if override.startswith(_SWEEP_ONLY) and not is_sweep:
            raise UsageError(f"{override} is for a sweep", "add -m")


def _check_flags(arguments: Sequence[str]) -> None:
    """Check that no key is written as a flag.

    Raises:
        UsageError: there is one, as ``--epochs 3``.
    """
    for argument, following in zip_longest(arguments, arguments[1:]):
        name, _, value = argument.partition("=")
        word = name.removeprefix("--")
        if name.startswith("--") and word not in (*_SWITCHES, *_VALUES):
            key = word.replace("-", "_")
            value = value or ("…" if following is None or "=" in following else following)
            hint = f"write {key}={value}" if key in {*top_level_keys(), *known_keys(), *registry.groups()} else None
            hint = hint or synonyms.key_hint(key, value)
            if hint:
                raise UsageError(f"{name} is not a flag", hint)


def _check_one_purpose(given: argparse.Namespace) -> None:
    """Check that a command line asks for one thing.

    Raises:
        UsageError: two flags exclude each other.
    """
    purposes = [name for name in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(given, name)]
    if len(purposes) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in purposes[:2])
        raise UsageError(f"{first} and {second} do not go together", "leave out one of them")


@contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Put arguments for Hydra into ``sys.argv`` during a block; :class:`Task` puts the user's back for a job."""
    before = sys.argv
    sys.argv = ["fastrun train", *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _full_errors() -> Iterator[None]:
    """Make Hydra raise exceptions during a block, where it would print them and exit."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
        sys.stdout.flush()
