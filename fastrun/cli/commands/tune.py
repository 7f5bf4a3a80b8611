"""Measure which threads, precision, layout and kernels are fastest for a training; later runs use the answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastrun.cli.training import compose_training
from fastrun.errors import ConfigError, UsageError
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.config.settings import Settings
    from fastrun.tune.auto.answers import Answer


def run(arguments: list[str]) -> int:
    """Measure, and print a table; or forget what was measured."""
    parser = ArgumentParser("fastrun tune", __doc__)
    training = "a run (its directory, `latest`, an id …), or what `fastrun train` takes: +recipe=NAME KEY=VALUE …"
    parser.add_argument("training", nargs="*", metavar="RUN | KEY=VALUE", help=training)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long measuring takes at most (default: 10)")
    parser.add_argument("--clear", action="store_true", help="forget everything that was measured on this machine")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    given = parser.parse_intermixed_args(arguments)
    if given.clear:
        return _clear(given.training)
    if not given.seconds > 0:
        raise UsageError(f"--seconds {given.seconds:g}: it takes time to measure", "use a second or more")
    answer = _measure(given.training, given.seconds)
    if given.json:
        print(json.dumps(_as_data(answer)))
    else:
        _show(answer)
    return 0


def _clear(training: list[str]) -> int:
    from fastrun.tune.auto.answers import folder, forget

    if training:
        raise UsageError("--clear forgets all answers, and takes no KEY=VALUE", "leave one of them out")
    count = forget()
    print(f"forgot {count} answer{'' if count == 1 else 's'} in {folder()}")
    return 0


def _measure(training: list[str], seconds: float) -> Answer:
    """Return the answer for a training, measured now.

    Raises:
        UsageError: nothing is left to measure.
    """
    from fastrun.run.early import check_early

    named = compose_training(training, "tuned")
    settings = named.settings if named.run is None else _reopened(named.settings, named.overrides)
    check_early(settings)
    from fastrun.training.builders.setup import set_up
    from fastrun.tune.auto.choose import measure

    answer = measure(settings, set_up(settings), seconds)
    if answer is None:
        raise UsageError("every setting is given by hand", "leave amp=auto, speed=auto or pipeline=auto to be measured")
    return answer


def _reopened(settings: Settings, overrides: list[str]) -> Settings:
    """Return the settings of a run with what was left open: its config says what was chosen for it.

    Args:
        settings: the settings of the run.
        overrides: what was typed for it. Where it composes no more, as without its recipe, the choice stays.
    """
    from fastrun import compose

    try:
        asked = compose.compose(overrides)
    except ConfigError:
        return settings
    return replace(settings, speed=asked.speed, amp=asked.amp, pipeline=asked.pipeline)


def _as_data(answer: Answer) -> dict[str, Any]:
    return {
        "choice": answer.choice,
        "step_ms": None if answer.step_seconds is None else 1e3 * answer.step_seconds,
        "measured": answer.rows,
        "cpu_share": answer.cpu_share,
    }


def _show(answer: Answer) -> None:
    """Print the table of the candidates, and what a run will take."""
    from rich.console import Console
    from rich.table import Table

    from fastrun.tune.auto.dimensions import rows_of

    console = Console(highlight=False, soft_wrap=True)
    table = Table("setting", "ms a step", "verdict", box=None, pad_edge=False, header_style="bold")
    for row in answer.rows:
        table.add_row(row["setting"], "" if row["ms"] is None else f"{row['ms']:g}", row["verdict"])
    console.print(table if answer.rows else "there is only one candidate for each setting on this machine")
    if answer.rows:
        console.print("each setting was timed apart, its values in turns: compare times within a setting only")
    if answer.rows and answer.was_busy:
        console.print(f"the machine was busy: measuring got {answer.cpu_share:.0%} of the CPU time")
    console.print(f"\nruns of this training take {' '.join(rows_of(answer.choice))}", markup=False)
