"""Print a batch script for SLURM that trains on one or several nodes, or goes on with a run; nothing is started."""

from __future__ import annotations

import re
import shlex
import sys
from argparse import Namespace
from pathlib import Path

from fastrun.cli.training import compose_training
from fastrun.errors import UsageError
from fastrun.system.argument_parser import ArgumentParser

_TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}")  # as sbatch takes it: minutes, h:mm:ss, days-hours
_WORD = re.compile(r"[\w.,@%+/=-]+")
_SAVE = 120  # seconds before a job's time is over, at which SLURM signals it, and the run saves its state


def run(arguments: list[str]) -> int:
    """Print the script."""
    parser = ArgumentParser("fastrun slurm", __doc__)
    parser.add_argument("words", nargs="*", metavar="RUN | KEY=VALUE", help="a run to go on with, or what to train")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="nodes (1)")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs of each node, a process for each (none)")
    parser.add_argument("--processes", type=int, metavar="N", help="processes on each node without GPUs (1)")
    parser.add_argument("--cpus", type=int, metavar="N", help="cores of each process")
    parser.add_argument(
        "--time", metavar="TIME", help="time limit, such as 4:00:00; 2 minutes before, the run is saved"
    )
    parser.add_argument("--partition", metavar="NAME", help="partition of the cluster")
    parser.add_argument("--account", metavar="NAME", help="account that pays")
    given = parser.parse_intermixed_args(arguments)
    _check(given)
    print("\n".join(script(given)))
    return 0


def script(given: Namespace) -> list[str]:
    """Return the lines of the script.

    Args:
        given: the arguments of the command.

    Raises:
        ConfigError: a value is not allowed.
        UsageError: the first word is neither a run nor an override.
    """
    processes = given.gpus or given.processes or 1
    words = list(given.words)
    training = compose_training(words, "started")
    if training.run is not None:
        command, name = ["resume", str(training.run.path), *words[1:]], training.run.path.parent.name
    else:
        several = given.nodes * processes > 1 and not any(word.startswith("device=") for word in words)
        command = ["train", *words, *(["device=ddp"] if several else [])]
        name = training.settings.name or str(training.settings.choices.get("recipe") or "train")
    values = {
        "job-name": re.sub(r"[^\w.+-]", "_", name),
        "nodes": given.nodes,
        "ntasks-per-node": processes,
        "gpus-per-node": given.gpus or None,
        "cpus-per-task": given.cpus,
        "time": given.time,
        "partition": given.partition,
        "account": given.account,
        "signal": f"USR1@{_SAVE}",
        "output": "slurm-%j.log",
        "chdir": shlex.quote(str(Path.cwd())),
    }
    lines = [f"#SBATCH --{key}={value}" for key, value in values.items() if value is not None]
    return ["#!/bin/bash", *lines, "", f"srun {shlex.join([sys.executable, '-m', 'fastrun', *command])}"]


def _check(given: Namespace) -> None:
    """Check the values that the cluster is asked for.

    Raises:
        UsageError: one is not allowed.
    """
    for name in ("nodes", "processes", "cpus"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value} is too small", "it must be 1 or more")
    if given.gpus < 0:
        raise UsageError(f"--gpus {given.gpus} is too small", "it must be 0 or more")
    if given.gpus and given.processes:
        raise UsageError("--gpus and --processes do not go together", "each GPU has a process: leave --processes out")
    if given.time and not _TIME.fullmatch(given.time):
        raise UsageError(f"--time {given.time} is no time", "4:00:00 is four hours, 1-12 a day and 12 hours")
    for name in ("partition", "account"):
        value = getattr(given, name)
        if value and not _WORD.fullmatch(value):
            raise UsageError(f"--{name} {value} is no name")
