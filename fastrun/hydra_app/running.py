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
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fastrun.errors import Interrupted, UsageError
from fastrun.hydra_app.composing import typed
from fastrun.hydra_app.registering import register
from fastrun.hydra_app.translated import translated
from fastrun.paths import shipped
from fastrun.rundir import stamp
from fastrun.settings import Settings

Job = Callable[[Settings, Path, list[str]], Any]


def run(arguments: list[str], job: Job) -> None:
    """Compose what a command line says, in the whole of Hydra's grammar, and hand each job its settings and folder.

    Raises:
        UsageError: an unknown flag.
        ConfigError: a recipe, group, option, key or value that does not fit.
        StorageError: the output folder cannot be made.
    """
    register()
    failed: list[Exception] = []

    def task(config: DictConfig) -> Any:
        hydra = HydraConfig.get()
        folder = Path(hydra.runtime.output_dir)
        try:
            settings = typed(config, dict(hydra.runtime.choices))
            return job(settings, folder, list(hydra.overrides.task))
        except Exception as error:  # carried past Hydra, which would print it
            failed.append(error)
            with suppress(OSError):
                folder.rmdir()  # only if nothing has been written there
            if isinstance(error, Interrupted):
                raise _Stop from error
            return None

    mark = stamp()
    places = [
        f"hydra.run.dir=${{outputs}}/${{fastrun_name:}}/{mark}",
        f"hydra.sweep.dir=${{outputs}}/${{fastrun_name:}}/sweep-{mark}",
    ]
    parser = _parser()
    parsed = parser.parse_intermixed_args(arguments)
    parsed.overrides = [*places, *parsed.overrides]
    if parsed.shell_completion or parsed.info:
        parsed.overrides = parsed.overrides[len(places) :]
    with translated(parsed.overrides):
        with _raising(), suppress(_Stop):
            _run_hydra(parsed, parser, task, str(shipped("conf")), "train")
        if failed:
            raise failed[0]


class _Stop(BaseException):
    """Ends a sweep at once, past Hydra, which would go on with the next job."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, "see `fastrun train --help`")


def _parser() -> argparse.ArgumentParser:
    parser = get_args_parser()
    parser.__class__ = _Parser
    parser.prog = "fastrun train"
    return parser


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
