"""Find what a training spends its time on, and which values were measured to make it faster."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastrun.errors import ConfigError, UsageError, nearest
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.config.settings import Settings

_UNUSED = {"logger": {"_target_": None}, "callbacks": {}}  # so that their secrets need not be given again
_LEAST_SECONDS = 1.0


def run(arguments: list[str]) -> int:
    """Diagnose the training of a run directory, or of a command line as ``fastrun train`` takes it."""
    parser = ArgumentParser("fastrun diagnose", __doc__)
    parser.add_argument(
        "training",
        nargs="*",
        metavar="RUN | KEY=VALUE",
        help="the directory of a run, or what `fastrun train` takes: +recipe=NAME KEY=VALUE …",
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

    settings, typed = _compose(given.training)
    check_early(settings)
    _diagnose(settings, typed, given)
    return 0


def _compose(training: list[str]) -> tuple[Settings, list[str]]:
    """Return the settings of the training, and the overrides that compose them.

    Raises:
        UsageError: the first argument is neither a run directory nor an override.
        ConfigError: a value is not allowed.
        CheckpointError: the run directory is of another format.
    """
    from fastrun import compose

    first = training[0] if training else "="
    if "=" in first or first.startswith(("+", "~")):
        return _compose_one(training), training
    path = Path(first)
    if is_sweep(path):
        raise UsageError(f"{first} is a sweep, not a run", "name one of the runs in it")
    if not (path / "config.yaml").is_file():
        raise UsageError(f"{first} is neither a run directory nor KEY=VALUE", _hint(first))
    directory, overrides = RunDir.open(path), training[1:]
    settings = compose.from_config(directory.config() | _UNUSED, overrides)
    return settings, [*directory.overrides(), *overrides]


def _compose_one(overrides: list[str]) -> Settings:
    """Return the settings that overrides compose to, each of which has one value."""
    from fastrun import compose

    try:
        return compose.compose(overrides)
    except ConfigError as error:
        if error.hint and error.hint.startswith("add -m "):  # as for a sweep
            raise ConfigError(error.message, "one training is diagnosed at a time: give one value") from error
        raise


def _hint(word: str) -> str:
    """Return what someone most likely meant by a word that is no run directory."""
    from fastrun.config import registry

    if word in registry.recipes():
        return f"a recipe is written +recipe={word}"
    return nearest(word, registry.recipes()) or "`fastrun runs` lists the runs, `fastrun recipes` the recipes"


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
