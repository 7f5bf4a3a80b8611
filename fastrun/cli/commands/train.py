"""Train a network; with -m, train one for each combination of options."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from fastrun.config import registry
from fastrun.config.settings import SweepConfig
from fastrun.storage.job import Job, JobRecord, JobSource, Launching

if TYPE_CHECKING:
    from fastrun.sweep.client import Client

_EXAMPLES = """\
fastrun train: train a network; every heuristic is a config group

  fastrun train +recipe=resnet_amp                        a recipe
  fastrun train +recipe=resnet_amp optimizer=sgd epochs=3 other options, values
  fastrun train +recipe=resnet_amp -m clip=none,norm      a run for each
"""


def run(arguments: list[str]) -> int:
    """Train. The arguments may use the whole grammar of Hydra; ``--help-all`` shows the composed config as well."""
    if {"-h", "--help"} & set(arguments):
        print(usage())
        return 0
    from fastrun import compose

    arguments = ["--help" if argument == "--help-all" else argument for argument in arguments]
    code = 0
    if any("transfer.source=" in text for text in arguments):
        from fastrun.cli.training import with_source

        arguments = with_source(arguments)
    client = _start_server() if _is_own_sweep(arguments) else None

    def run_sweep(folder: Path, source: JobSource, settings: SweepConfig, launch: Launching | None) -> list[JobRecord]:
        from fastrun.sweep.runner import exit_code, sweep

        nonlocal code
        records = sweep(folder, source, settings, launch, client)
        code = exit_code(records)
        return records

    try:
        compose.run(arguments, _run_job, run_sweep)
    finally:
        if client:
            client.close()
    return code


def _run_job(job: Job) -> object:
    from fastrun.sweep import external_job  # --cfg and --info need none of it

    return external_job.run_job(job)


def usage() -> str:
    """Return the help: examples, the recipes and the groups by name, and where to read more."""
    names = {"recipes": registry.recipes(), "groups": registry.groups()}
    lists = {
        key: fill(" ".join(found), 78, initial_indent="  ", subsequent_indent="  ") for key, found in names.items()
    }
    return f"""{_EXAMPLES}
Recipes (+recipe=NAME; `fastrun recipes NAME` shows one):
{lists["recipes"]}

Groups (GROUP=OPTION; `fastrun options GROUP` describes the options):
{lists["groups"]}

-m trains a run for each combination, --cfg job shows the composed config,
--help-all shows every option and every key, --hydra-help the flags of Hydra."""


def _start_server() -> Client:
    """Start the process that the jobs of a sweep are forks of; it imports torch while the jobs are composed."""
    from fastrun.sweep.client import Client

    return Client()


def _is_own_sweep(arguments: list[str]) -> bool:
    """Say whether a command line most likely runs a sweep by fastrun's own launcher."""
    has_other_launcher = any(text.startswith("hydra/launcher=") for text in arguments)
    return bool({"-m", "--multirun"} & set(arguments)) and not has_other_launcher
