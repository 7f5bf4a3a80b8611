"""Find a learning rate, a batch size or another number by short trainings, and print the command that uses it."""

from __future__ import annotations

import shlex
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastrun import redaction
from fastrun.cli.training import compose_training
from fastrun.errors import UsageError
from fastrun.system import streams
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.cli.found import Finding
    from fastrun.tune.find.meter import Progress

_LEAST_STEPS = 10


def run(arguments: list[str]) -> int:
    """Print a suggestion, what it was measured by, and the command that uses it. No file is written but ``--png``."""
    given = _parser().parse_intermixed_args(arguments)
    _check(given)
    finding, typed = _find(given)
    if given.png is not None:
        finding.save_picture(given.png)
    command = _command(typed, finding.overrides)
    if given.json:
        import json

        print(json.dumps(finding.record | {"overrides": finding.overrides, "command": command}))
        return 0
    finding.show()
    if given.png is not None:
        print(f"the picture is in {given.png}")
    print(command)
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun find", __doc__)
    parser.add_argument("what", nargs="?", metavar="WHAT", help="lr, batch, momentum, or a key: optimizer.weight_decay")
    training = "a run (its directory, `latest`, an id …), or what `fastrun train` takes: +recipe=NAME KEY=VALUE …"
    parser.add_argument("training", nargs="*", metavar="RUN | KEY=VALUE", help=training)
    seeds = "networks that each value is tried with (default: 1 to 9, as many as take about a minute in all)"
    parser.add_argument("--seeds", type=_at_least(1), metavar="N", help=seeds)
    steps = "steps of each short training (default: those of the run, or as many as take about a minute in all)"
    parser.add_argument("--steps", type=_at_least(_LEAST_STEPS), metavar="N", help=steps)
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="end without a result after so many seconds")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the curve as a PNG file, too")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise ArgumentTypeError(f"{text} is not a whole number from {least} on")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _check(given: Namespace) -> None:
    """Check what can be checked before anything is imported that takes long.

    Raises:
        UsageError: nothing to find is named, or the picture cannot be drawn.
    """
    if given.what is None or "=" in given.what or given.what.startswith(("+", "~")):
        rest = f" {given.what}" if given.what else ""
        raise UsageError(
            "find needs to know what: lr, batch, momentum, or a key such as optimizer.weight_decay",
            f"fastrun find lr{rest}",
        )
    if given.png is None:
        return
    if given.png.exists():
        raise UsageError(f"{given.png} already exists", "choose another file: no file is overwritten")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("--png needs matplotlib", "pip install 'fastrun[report]'") from error


def _find(given: Namespace) -> tuple[Finding, list[str]]:
    """Return what was found, and the overrides of the training."""
    from fastrun.run.early import check_early
    from fastrun.tune.find.key import find_number

    training = compose_training(given.training, "searched")
    settings = training.settings
    is_rate, is_batch = given.what in ("lr", "optimizer.lr"), given.what in ("batch", "batch.size")
    number = None if is_rate or is_batch else find_number(settings, given.what)
    check_early(settings)
    from fastrun.cli import found
    from fastrun.tune.find.isolation import isolated
    from fastrun.tune.find.meter import Meter
    from fastrun.tune.find.subject import prepare

    if settings.callbacks:
        streams.say_error(f"note: callbacks take no part in a search: {', '.join(settings.callbacks)}")
    options = {"seeds": given.seeds, "steps": given.steps}
    with isolated(settings.deterministic), _showing_progress() as progress:
        meter = Meter(progress, given.seconds)
        subject = prepare(settings)
        if number is not None:
            return found.number(subject, number, meter, **options), training.overrides
        return (found.rate if is_rate else found.batch)(subject, meter, **options), training.overrides


@contextmanager
def _showing_progress() -> Iterator[Progress | None]:
    """Show a progress bar on the terminal that standard error is; yield None where it is none."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps")
    with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("building", total=None)
        yield lambda what, done, expected: bar.update(task, description=what, completed=done, total=expected)


def _command(given: list[str], found: list[str]) -> str:
    """Return the command line that trains with what was found, in place of what was given for the same keys."""
    from fastrun.config import trust

    keys = {override.partition("=")[0] for override in found}
    kept = [override for override in given if override.lstrip("+").partition("=")[0] not in keys]
    words = ["fastrun", "train", *map(redaction.redact_override, kept), *found]
    return shlex.join([*words, *(f"trust={name}" for name in sorted(trust.trusted_names()))])
