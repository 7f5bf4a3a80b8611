"""Measure what each heuristic of a run brings: how much longer the training takes to a target without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastrun.cli.waiting import showing
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.study.conclusion import Conclusion
    from fastrun.sweep.job_server import JobServer


def run(arguments: list[str]) -> int:
    """Make a study, or say what it would be."""
    parser = ArgumentParser("fastrun ablate", __doc__)
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="the run, as for `fastrun train`, and study.*"
    )
    parser.add_argument(
        "--plan", action="store_true", help="print the arms, how many runs, and about how long; then stop"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object at the end, and nothing else")
    given = parser.parse_intermixed_args(arguments)
    from fastrun.study.settings import split_study

    config, overrides = split_study(given.overrides)
    from fastrun.sweep.client import Client

    on_ray = any(text.startswith("hydra/launcher=ray") for text in overrides)
    client: JobServer | None = None if on_ray else Client()
    try:
        from fastrun.study.ablate import begin, define

        with showing("composing every arm"):
            definition = define(config, overrides)
        if given.plan:
            from fastrun.study.estimate import show_plan
            from fastrun.study.place import connect

            client = client or connect(definition.place, definition.full.settings)
            show_plan(definition, client, as_json=given.json)
            return 0
        show(begin(definition, client, quiet=given.json), as_json=given.json)
    finally:
        if client:
            client.close()
    return 0


def show(conclusion: Conclusion, *, as_json: bool = False) -> None:
    """Print the verdicts of a study."""
    if as_json:
        said = {"verdicts": conclusion.verdicts, "sentence": conclusion.sentence}
        print(json.dumps({"study": str(conclusion.folder)} | said))
        return
    from fastrun.study import forest

    forest.show(conclusion)
    print(f"study {conclusion.folder}")
    if conclusion.page is not None:
        print(f"page  {conclusion.page}")
