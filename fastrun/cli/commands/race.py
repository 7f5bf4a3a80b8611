"""Find a configuration that reaches a target sooner, prove that it does on fresh seeds, and write it as a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fastrun.cli.waiting import showing
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.study.race.race import Finish
    from fastrun.sweep.job_server import JobServer


def run(arguments: list[str]) -> int:
    """Run a race, or say what it would be."""
    parser = ArgumentParser("fastrun race", __doc__)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="the run, as for `fastrun train`, and race.*")
    parser.add_argument("--plan", action="store_true", help="print the space and about how long it takes; then stop")
    parser.add_argument("--json", action="store_true", help="print a JSON object at the end, and nothing else")
    given = parser.parse_intermixed_args(arguments)
    from fastrun.study.race.settings import split_race

    config, overrides = split_race(given.overrides)
    from fastrun.sweep.client import Client

    on_ray = any(text.startswith("hydra/launcher=ray") for text in overrides)
    client: JobServer | None = None if on_ray else Client()
    try:
        from fastrun.study.race.race import begin, define

        with showing("composing every candidate"):
            race = define(config, overrides)
        if given.plan:
            from fastrun.study.place import connect
            from fastrun.study.race.estimate import show_plan

            client = client or connect(race.place, race.given.settings)
            show_plan(race, client, as_json=given.json)
            return 0
        show(begin(race, client, quiet=given.json), as_json=given.json)
    finally:
        if client:
            client.close()
    return 0


def resume(folder: Path, overrides: list[str], *, with_failed: bool = False) -> int:
    """Go on with a race.

    Args:
        folder: its folder.
        overrides: where to make its runs.
        with_failed: try again what failed.
    """
    from fastrun.study.race.race import go_on

    show(go_on(folder, overrides, with_failed=with_failed))
    return 0


def show(finish: Finish, *, as_json: bool = False) -> None:
    """Print what came out of a race: what was confirmed, and the recipe."""
    from fastrun.study.race.outcome import as_data, lines

    if as_json:
        print(json.dumps(as_data(finish)))
        return
    for line in lines(finish):
        print(line)
