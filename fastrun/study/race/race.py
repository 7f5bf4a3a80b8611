"""A race from its command line to its recipe: :func:`begin` and :func:`go_on` show the parts in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fastrun import compose
from fastrun.config.duration import to_seconds
from fastrun.config.names import stamp
from fastrun.config.settings import SweepConfig
from fastrun.errors import ConfigError
from fastrun.storage.atomic import write_atomic
from fastrun.storage.lock import locked
from fastrun.study import ladder
from fastrun.study.ablate import folder_name
from fastrun.study.arms import FULL, without_shared
from fastrun.study.attempt import run_all
from fastrun.study.conclusion import Row, conclude
from fastrun.study.estimate import counted
from fastrun.study.factors import Factor
from fastrun.study.folder import OUTCOME
from fastrun.study.live_view import StudyView
from fastrun.study.pilot import Pilot
from fastrun.study.place import connect, split_place, stored_place
from fastrun.study.plan import Plan, read_plan, short_id, this_machine
from fastrun.study.planning import lowest_rung, make_plan
from fastrun.study.race.candidates import Candidates
from fastrun.study.race.definition import RaceDefinition, read_race
from fastrun.study.race.recipe import check_name, write_recipe
from fastrun.study.race.search import Search, plan_of
from fastrun.study.race.settings import RaceConfig
from fastrun.study.race.space import Axis, default_space, parse_space
from fastrun.study.race.time import Time, time_of
from fastrun.study.results import Results
from fastrun.study.scored import Scored
from fastrun.study.source import Stage, StudySource
from fastrun.study.verdict.judge import FASTER
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.ledger import Ledger

_SPARE = 0.5  # of the candidates, in the place of those that turn out not to fit the data or one another
_REACH, _REACH_OF_BATCHES = 1, 3  # rungs above the given run's; smaller batches take more and cheaper steps


@dataclass(frozen=True)
class Finish:
    """The end of a race.

    Attributes:
        race: the race.
        tried: how many candidates there were.
        winner: the winner of the search; the given run where none was better.
        plan: the plan of the comparison; None where there was none.
        row: the verdict, with the means of the test metric; None where nothing could be compared.
        failed: why, where the winner could not be trained.
        recipe: the recipe that was written; None without one.
    """

    race: RaceDefinition
    tried: int
    winner: str
    plan: Plan | None = None
    row: Row | None = None
    failed: str = ""
    recipe: Path | None = None

    def note(self) -> Self:
        """Write outcome.json, and return the same."""
        recipe = None if self.recipe is None else str(self.recipe)
        content = {"winner": self.winner, "candidates": self.tried, "failed": self.failed, "recipe": recipe}
        write_atomic(self.race.folder / OUTCOME, json.dumps(content, indent=2))
        return self


def define(config: RaceConfig, overrides: list[str]) -> RaceDefinition:
    """Return what a race is about, after all that can be checked before anything runs.

    Args:
        config: how to run it.
        overrides: the command line of the given run.

    Raises:
        ConfigError: there is no target, or nothing to try, or something in the space does not compose.
        DataError: the data is not where the run says.
        UsageError: the recipe cannot be written under that name.
    """
    place, overrides = split_place(overrides)
    composer = compose.PartComposer()
    settings = composer(overrides)
    if settings.target.value is None:
        raise ConfigError("a race needs a target", "add one: target.value=0.9")
    if config.budget is not None:
        to_seconds(config.budget, "race.budget")
    if config.name is not None:
        check_name(config.name)
    axes = default_space(settings) if config.space is None else parse_space(config.space)
    options = [Factor(axis.key, axis.key, text) for axis in axes if axis.is_group for text in axis.ends()]
    composer.prepare(option.remove_from(without_shared(overrides)) for option in options)
    candidates = Candidates(composer, overrides, settings)
    if config.space is not None:
        candidates.check(axes)
    spare = _SPARE if config.space is None else 0.0
    arms = candidates.draw(axes, round(config.candidates * (1 + spare)), config.seed)
    folder = Path(settings.outputs) / folder_name(settings) / f"race-{stamp()}"
    named = {arm.name: arm for arm in arms}
    return RaceDefinition(folder, config, list(map(str, axes)), _reach(axes), named, overrides, place)


def _reach(axes: list[Axis]) -> int:
    return _REACH_OF_BATCHES if any(axis.key.startswith("batch") for axis in axes) else _REACH


def begin(race: RaceDefinition, client: JobServer | None = None, quiet: bool = False) -> Finish:
    """Run a new race.

    Args:
        race: what it is about.
        client: a server of jobs that has been started already, to save time.
        quiet: print nothing.

    Raises:
        FastrunError: it cannot be run, or a signal stopped it.
    """
    race.write()
    return _carry_out(race, client, quiet)


def go_on(
    folder: Path,
    overrides: Sequence[str] = (),
    client: JobServer | None = None,
    quiet: bool = False,
    *,
    with_failed: bool = False,
) -> Finish:
    """Go on with a race that was interrupted, from its runs that have ended.

    Args:
        folder: its folder.
        overrides: where to make its runs: ``hydra/launcher=…``, or nothing.
        client: a server of jobs that has been started already.
        quiet: print nothing.
        with_failed: try again what failed.

    Raises:
        FastrunError: it cannot be gone on with, or a signal stopped it.
    """
    race, (place, _) = read_race(folder), split_place(overrides)
    race = replace(race, place=place or stored_place(race.place, folder))
    return _carry_out(race, client, quiet, with_failed)


def _carry_out(race: RaceDefinition, client: JobServer | None, quiet: bool, with_failed: bool = False) -> Finish:
    client = client or connect(race.place, race.given.settings)
    with locked(race.folder), StudyView(quiet) as view:
        story = _Story(race, view)
        run_all(story, race.folder, race.given.settings.sweep, view, client, "race", with_failed=with_failed)
        return story.finish().note()


class _Story:
    """A race that goes from stage to stage, and says where it is."""

    def __init__(self, race: RaceDefinition, view: StudyView) -> None:
        self.race, self.view = race, view
        self.results = Results(race.study().runs)
        self.pilot = Pilot(race.study(), self.results)
        self.source = StudySource(race.study(), self.results, self.pilot, self.following)
        self.winner, self.tried = FULL, len(race.candidates)
        self._said = ""
        view.where, view.on_end = self.where, self.say_progress

    def take_up(self, ledger: Ledger, sweep: SweepConfig, with_failed: bool) -> None:
        """Read what became of the runs of earlier attempts, and go on with the comparison, if it had begun."""
        begun = self.results.read(ledger, sweep, forgets_failures=with_failed)
        plan = read_plan(self.race.folder)
        self.view.say(f"{'going on with' if begun or plan else 'race in'} {self.race.folder}")
        if plan is None:
            return
        self.winner = next(name for name in plan.arms if name != FULL)
        if short_id(this_machine()) != short_id(plan.machine):
            self.view.say("this is another machine than that of the plan: seconds are measured anew, steps stay")
        self.source.stage = self._score(plan)

    def following(self, stage: Stage) -> Stage | None:
        """Return the stage after another one: pilot, search, pilot of the comparison, comparison."""
        if stage is self.pilot:
            return self._search()
        if isinstance(stage, Search):
            return self._compare(stage)
        if isinstance(stage, Pilot):
            plan = make_plan(stage)
            if not plan.contrasts:
                return None
            return self._score(plan.write(self.race.folder))
        return None

    def _search(self) -> Search:
        """Return the search, after the pilot.

        Raises:
            ConfigError: the budget has no time for one.
        """
        pilot, race = self.pilot, self.race
        given = pilot.pinned_arm(FULL)
        guess = ladder.nearest_rung(pilot.median_steps(None), pilot.base_steps)
        lowest = lowest_rung(guess, pilot.base_steps, [given])
        target = pilot.target.describe()
        plan = plan_of(race.candidates, target, pilot.base_steps, guess, lowest, pilot.seeds[0], race.reach)
        time = self._time(guess)
        most = min(race.config.candidates, len(race.candidates))
        self.view.say(f"target: {target['metric']} {target['value']:g}; {counted(most, 'candidate')}")
        candidates, jobs = race.candidates | {FULL: given}, given.settings.sweep.at_once
        return Search(candidates, plan, self.results, most=most, jobs=jobs, seconds=time.search)

    def _time(self, guess: int) -> Time:
        sweep, config = self.race.given.settings.sweep, self.race.config
        steps = ladder.length(guess, self.pilot.base_steps)
        return time_of(config.budget, config.confirming_blocks, self.pilot.outcomes(), steps, sweep.at_once)

    def _compare(self, search: Search) -> Pilot | None:
        """Return the pilot of the comparison; None where the given run won."""
        self.winner = search.round().winner or FULL
        self.tried = len(search.let_in)
        if self.winner == FULL:
            return None
        blocks = counted(self.race.config.confirming_blocks, "fresh seed")
        self.view.say(f"to be compared with the given run on {blocks}: {self.winner}")
        return Pilot(self.race.study(self.winner), self.results)

    def _score(self, plan: Plan) -> Scored:
        self.source.plan = plan
        return Scored(self.race.study(self.winner), plan, self.results, lambda: 0.0)

    def finish(self) -> Finish:
        """Return the end of the race, once no run is wanted any more: the verdict, and the recipe if it is faster."""
        stage = self.source.stage
        if not isinstance(stage, Scored):
            failed = make_plan(stage).dropped.get(self.winner, "") if isinstance(stage, Pilot) else ""
            return Finish(self.race, self.tried, self.winner, failed=failed)
        self.view.say("judging, and measuring the test data once")
        conclusion = conclude(stage)
        row = next(iter(conclusion.rows), None)
        finish: dict[str, Any] = {"plan": conclusion.plan, "row": row, "failed": conclusion.failed.get(self.winner, "")}
        if row is not None and row.verdict.verdict == FASTER:
            finish["recipe"] = write_recipe(self.race, self.winner, stage, row)
        return Finish(self.race, self.tried, self.winner, **finish)

    def where(self) -> str:
        """Return where the race is, in words."""
        stage, runs = self.source.stage, counted(len(self.results.outcomes), "run")
        if isinstance(stage, Scored):
            return f"comparison, {len(stage.blocks)} of {counted(len(stage.plan.seeds), 'seed')}, {runs}"
        return f"{'search' if isinstance(stage, Search) else 'pilot'}, {runs}"

    def say_progress(self) -> None:
        """Say which round of the search begins, or how many seeds of the comparison are over, when that has changed."""
        stage = self.source.stage
        text = ""
        if isinstance(stage, Pilot):
            self.view.say_beside(self.where())
        elif isinstance(stage, Search):
            now = stage.round()
            if now.seeds > 1 and now.winner is None:
                text = f"{counted(len(now.field), 'candidate')} on {counted(now.seeds, 'seed')}"
        elif isinstance(stage, Scored):
            text = f"seed {len(stage.blocks)} of {len(stage.plan.seeds)} is over" if stage.blocks else ""
        if text and text != self._said:
            self._said = text
            self.view.say(text)
