"""Where the runs of a study are made: on this machine, or on Ray."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fastrun import compose
from fastrun.config.settings import Settings
from fastrun.storage.job import Job
from fastrun.storage.stored_arguments import hydra_arguments
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.runner import check_gpus, server


def split_place(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line into ``hydra/launcher=…`` with its keys, and the other arguments.

    Raises:
        ConfigError: a launcher is asked for that runs no studies, there is no such key, or a value is not allowed.
    """
    _, rest = compose.split_launcher(arguments)
    return [text for text in arguments if text not in rest], rest


def connect(place: Sequence[str], settings: Settings) -> JobServer | None:
    """Return what the runs are started with; None where that is a process of this machine.

    Args:
        place: ``hydra/launcher=…`` and its keys.
        settings: the full run.

    Raises:
        ConfigError: Ray is not installed, or cannot be reached or started, or ``sweep.gpus`` is not for it.
        FastrunError: the machine that the study is started on cannot hold a run, whose seconds are measured there.
    """
    ray, _ = compose.split_launcher(place)
    check_gpus(settings.sweep, ray)
    if ray is None:
        return None
    return server(ray, settings.sweep, [Job(0, [], [], settings, Path(), is_alone=True)])


def stored_place(texts: Iterable[str], folder: Path) -> list[str]:
    """Return what the file of a study says of its place, without what is not taken from a file."""
    return list(hydra_arguments(list(texts), folder))
