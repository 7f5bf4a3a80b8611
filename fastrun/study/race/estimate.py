"""``fastrun race --plan``: what a race would try and about how long it would take, from one short run."""

from __future__ import annotations

import json

from fastrun.study.estimate import format_time, run_seconds
from fastrun.study.pilot import PILOTS
from fastrun.study.planning import PACE_SECONDS
from fastrun.study.race.definition import RaceDefinition
from fastrun.study.race.halving import later_walks
from fastrun.study.race.time import START, WALK
from fastrun.sweep.job_server import JobServer


def show_plan(race: RaceDefinition, client: JobServer | None, *, as_json: bool = False) -> None:
    """Print the space of a race, how many candidates there are, and about how long it takes."""
    count, blocks, jobs = (
        min(race.config.candidates, len(race.candidates)),
        race.config.confirming_blocks,
        race.given.settings.sweep.at_once,
    )
    if not as_json:
        for axis in race.space:
            print(axis)
        print("timing a short run", flush=True)
    walk = WALK * run_seconds(race.given, client) / jobs
    search = (count + later_walks(count, 1)) * walk
    comparison = 2 * blocks * (walk + PACE_SECONDS + START)
    seconds = PILOTS * walk + search + comparison
    if as_json:
        content = {"space": race.space, "candidates": list(race.candidates), "blocks": blocks, "seconds": seconds}
        print(json.dumps(content | {"budget": race.config.budget}))
        return
    print(
        f"{count} candidates, the given run among them; the best half goes on to twice the seeds, until 2 or 3 are left"
    )
    print(f"then the best beside the given run on {blocks} fresh seeds")
    print(f"about {format_time(seconds)} if runs are as long as the recipe, {format_time(comparison)} of it to compare")
    if race.config.budget is not None:
        print(f"race.budget={race.config.budget}: candidates are let in as long as there is time for them")
