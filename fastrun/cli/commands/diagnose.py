"""Find what a training spends its time on, and which values were measured to make it faster."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastrun.cli.training import compose_training
from fastrun.errors import UsageError
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.config.settings import Settings

_LEAST_SECONDS = 1.0


def run(arguments: list[str]) -> int:
    """Diagnose the training of a run directory, or of a command line as ``fastrun train`` takes it."""
    parser = ArgumentParser("fastrun diagnose", __doc__)
    parser.add_argument(
        "training",
        nargs="*",
        metavar="RUN | KEY=VALUE",
        help="a run (its directory, `latest`, an id …), or what `fastrun train` takes: +recipe=NAME KEY=VALUE …",
    )
    parser.add_argument("--apply", metavar="NAME", help="write what helps into recipes/NAME.yaml")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long measuring takes, about (default: 30)")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    given = parser.parse_intermixed_args(arguments)
    if not given.seconds >= _LEAST_SECONDS:
        raise UsageError(f"--seconds {given.seconds:g} is too short", "use a second or more")
    if given.apply is not None:
        from fastrun.tune.diagnose.recipe_file import check_new_recipe

        check_new_recipe(given.apply)
    from fastrun.run.early import check_early

    training = compose_training(given.training, "diagnosed")
    check_early(training.settings)
    _diagnose(training.settings, training.overrides, given)
    return 0


def _diagnose(settings: Settings, typed: list[str], given: Namespace) -> None:
    from rich.console import Console

    from fastrun.tune.diagnose.diagnosis import diagnose
    from fastrun.tune.diagnose.recipe_file import train_command, without, write_recipe
    from fastrun.tune.diagnose.report import as_data, show

    with _progress(is_shown=not given.json) as say:
        diagnosis = diagnose(settings, given.seconds, say)
    written = None
    best = diagnosis.best
    if given.apply is not None and best is not None:
        written = write_recipe(given.apply, best, settings.choices.get("recipe"))
    if given.json:
        print(json.dumps(as_data(diagnosis, typed) | {"recipe": str(written) if written else None}))
        return
    console = Console(highlight=False, soft_wrap=True)
    show(diagnosis, typed, console)
    if written is not None and best is not None:
        rest = [text for text in without(typed, best.candidate.overrides) if not text.startswith("+recipe=")]
        command = train_command([f"+recipe={given.apply}", *rest], [])
        console.print(f"written to {written}: {command}", markup=False)
    elif given.apply is not None:
        console.print(f"nothing was measured to help, so recipes/{given.apply}.yaml is not written", markup=False)


@contextmanager
def _progress(is_shown: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done, on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not (is_shown and console.is_terminal):
        yield lambda text: None
        return
    with console.status("starting") as status:
        yield lambda text: status.update(f"{text} …")
