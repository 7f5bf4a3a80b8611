"""A command line in the whole of Hydra's grammar, handed to jobs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.utils import _run_hydra, get_args_parser

from fastrun.errors import UsageError
from fastrun.hydra_app.naming import quoted
from fastrun.hydra_app.redacting import redacting
from fastrun.hydra_app.registering import register
from fastrun.hydra_app.task import Stop, Task
from fastrun.hydra_app.translated import translated
from fastrun.job import Job, Sweeping
from fastrun.paths import shipped
from fastrun.rundir import stamp


def run(arguments: list[str], job: Callable[[Job], Any], sweep: Sweeping, folder: Path | None = None) -> None:
    """Compose what a command line says, in the whole of Hydra's grammar, and hand over what is to run.

    Args:
        arguments: the command line.
        job: runs a single run, or a job of a sweep that another launcher than ours runs.
        sweep: runs a sweep.
        folder: of the sweep, where it is not a new one.

    Raises:
        UsageError: an unknown flag.
        ConfigError: a recipe, group, option, key or value that does not fit.
        StorageError: the output folder cannot be made.
    """
    register()
    task = Task(job, sweep)
    mark = stamp()
    places = [
        f"hydra.run.dir=${{outputs}}/${{fastrun_name:}}/{mark}",
        f"hydra.sweep.dir=${{outputs}}/${{fastrun_name:}}/sweep-{mark}",
    ]
    parser = _parser()
    parsed = parser.parse_intermixed_args(arguments)
    _check_swept(parsed)
    parsed.overrides = [*places, *parsed.overrides]
    if folder:
        parsed.overrides.append(f"hydra.sweep.dir={quoted(str(folder))}")
    if parsed.shell_completion or parsed.info:
        parsed.overrides = parsed.overrides[len(places) :]
    with translated(parsed.overrides):
        with _raising(), redacting(), suppress(Stop):
            _run_hydra(parsed, parser, task, str(shipped("conf")), "train")
        if task.failed:
            raise task.failed[0]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "see `fastrun train --help`")


def _parser() -> argparse.ArgumentParser:
    parser = get_args_parser()
    parser.__class__ = _Parser
    parser.prog = "fastrun train"
    return parser


def _check_swept(parsed: argparse.Namespace) -> None:
    """Refuse what is said of the points of a sweep where there is none."""
    said = [text for text in parsed.overrides if text.startswith(("sweep.zip=", "sweep.random=", "sweep.file="))]
    if said and not (parsed.multirun or parsed.info or parsed.cfg or parsed.shell_completion):
        raise UsageError(f"{said[0]} is for a sweep", "add -m")


@contextmanager
def _raising() -> Iterator[None]:
    """Have Hydra raise what goes wrong instead of printing it and leaving."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
        sys.stdout.flush()
