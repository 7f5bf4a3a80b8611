"""A study from its command line to its verdicts: :func:`begin` and :func:`go_on` show the parts in order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastrun import compose
from fastrun.config.duration import to_seconds
from fastrun.config.names import check_name, stamp
from fastrun.config.settings import Settings, SweepConfig
from fastrun.errors import ConfigError
from fastrun.report.page.screened import describe_screening
from fastrun.run.early import check_early
from fastrun.storage.lock import locked
from fastrun.study.arms import FULL, Design, design, narrowed, same_arms, without_shared
from fastrun.study.attempt import run_all
from fastrun.study.conclusion import Conclusion, conclude
from fastrun.study.definition import Definition, read_definition
from fastrun.study.estimate import counted, format_time
from fastrun.study.factors import find_factors
from fastrun.study.live_view import StudyView
from fastrun.study.pairs import Explored, check_pairs, explore
from fastrun.study.pilot import Pilot
from fastrun.study.place import connect, split_place, stored_place
from fastrun.study.plan import Plan, read_plan, short_id, this_machine
from fastrun.study.planning import make_plan, most_claims
from fastrun.study.request import SPLIT_SEED
from fastrun.study.results import Results
from fastrun.study.scored import Scored
from fastrun.study.screen import Screening, is_screened, screening_arms
from fastrun.study.settings import StudyConfig, split_study
from fastrun.study.source import Stage, StudySource
from fastrun.study.verdict.judge import least_blocks
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.ledger import Ledger


def define(config: StudyConfig, overrides: list[str]) -> Definition:
    """Return what a study is about, after all that can be checked before anything runs.

    Args:
        config: how to make it.
        overrides: the command line of the run.

    Raises:
        ConfigError: an arm does not compose, there is nothing to compare, or the blocks are too few to decide.
        DataError: the data is not where the run says.
    """
    place, overrides = split_place(overrides)
    composer = compose.PartComposer()
    settings = composer(overrides)
    factors = find_factors(settings, config.factors)
    check_pairs(config, factors)
    has_screening = is_screened(config, factors)
    if config.baseline is not None and not config.plain:
        raise ConfigError(
            "study.baseline is the plain run, which study.plain=false leaves out", "leave out one of them"
        )
    if config.resample and SPLIT_SEED not in settings.data:
        data = settings.choices.get("data")
        message = f"study.resample=true: the validation data of data={data} is not drawn by chance"
        raise ConfigError(message, "leave it out; blocks differ in their seeds all the same")
    composer.prepare(factor.remove_from(without_shared(overrides)) for factor in factors)
    arms = design(composer, settings, overrides, factors, config.baseline, has_plain=config.plain)
    screening = screening_arms(composer, settings, overrides, factors) if has_screening else {}
    for arm in (*arms.arms.values(), *screening.values()):
        check_early(arm.settings)
    claims = most_claims(arms, config)
    least = least_blocks(claims, sequential=config.until is not None)
    if config.blocks is not None and config.blocks < least:
        message = f"study.blocks={config.blocks}: no fewer than {least} can decide {counted(claims, 'comparison')}"
        raise ConfigError(message, f"study.blocks={least}, or fewer factors: study.factors=[{factors[0].key}]")
    folder = Path(settings.outputs) / folder_name(settings) / f"study-{stamp()}"
    return Definition(folder, config, factors, arms, overrides, screening, place)


def begin(definition: Definition, client: JobServer | None = None, quiet: bool = False) -> Conclusion:
    """Make a new study.

    Args:
        definition: what it is about.
        client: a server of jobs that has been started already, to save time.
        quiet: print nothing.

    Raises:
        FastrunError: it cannot be made, or a signal stopped it.
    """
    definition.write()
    return _carry_out(definition, client, quiet)


def go_on(
    folder: Path,
    overrides: Sequence[str] = (),
    client: JobServer | None = None,
    quiet: bool = False,
    *,
    with_failed: bool = False,
) -> Conclusion:
    """Go on with a study that was interrupted, from its runs that have ended.

    Args:
        folder: its folder.
        overrides: ``study.budget=…``, and where to make its runs: ``hydra/launcher=…``.
        client: a server of jobs that has been started already.
        quiet: print nothing.
        with_failed: try again what failed.

    Raises:
        FastrunError: it cannot be gone on with, or a signal stopped it.
    """
    definition = read_definition(folder)
    place, overrides = split_place(overrides)
    definition = replace(definition, place=place or stored_place(definition.place, folder))
    if overrides:
        changed, _ = split_study(overrides)
        definition = replace(definition, config=replace(definition.config, budget=changed.budget))
    return _carry_out(definition, client, quiet, with_failed)


def _carry_out(definition: Definition, client: JobServer | None, quiet: bool, with_failed: bool = False) -> Conclusion:
    sweep = definition.full.settings.sweep
    client = client or connect(definition.place, definition.full.settings)
    with locked(definition.folder), StudyView(quiet) as view:
        story = _Story(definition, view)
        run_all(story, definition.folder, sweep, view, client, with_failed=with_failed)
        assert story.scored is not None
        view.say("judging, and measuring the test data once")
        return conclude(story.scored, story.explored)


class _Story:
    """A study that goes from stage to stage, and says where it is."""

    def __init__(self, definition: Definition, view: StudyView) -> None:
        self.definition, self.view = definition, view
        self.results = Results(definition.runs)
        self.begun, self.spent_before = time.monotonic(), 0.0
        self.scored: Scored | None = None
        self.screening: Screening | None = None
        self.explored: Explored | None = None
        self.source = StudySource(definition, self.results, self._first(), self.following)
        self._said_blocks = 0
        view.where, view.on_end = self.where, self.say_progress

    def take_up(self, ledger: Ledger, sweep: SweepConfig, with_failed: bool) -> None:
        """Read what became of the runs of earlier attempts, and go on with the plan, if there is one."""
        self.spent_before = self.results.read(ledger, sweep, forgets_failures=with_failed) / sweep.at_once
        plan = read_plan(self.definition.folder)
        if plan is None:
            self.view.say(f"pilot in {self.definition.folder}: runs of every arm, which are not scored")
            return
        self.view.say(f"going on with {self.definition.folder}")
        if short_id({**this_machine()}) != short_id(plan.machine):
            self.view.say("this is another machine than that of the plan: seconds are measured anew, steps stay")
        self.source.stage = self._score(plan)

    def _first(self) -> Pilot:
        """Return the pilot of all arms, or of the full run alone where a screening says which others there are."""
        definition = self.definition
        if definition.screening:
            config, full = replace(definition.config, tune=0), Design({FULL: definition.full}, [])
            definition = replace(definition, config=config, design=full)
        return Pilot(definition, self.results)

    def following(self, stage: Stage) -> Stage | None:
        """Return the stage after another one: pilot, screening and another pilot, runs that count, pairs."""
        if isinstance(stage, Screening):
            self.screening = stage
            design = narrowed(self.definition.design, stage.kept())
            return Pilot(replace(self.definition, design=design), self.results)
        if isinstance(stage, Pilot):
            if self.definition.screening and self.screening is None:
                return self._screen(stage)
            screening = None if self.screening is None else self.screening.describe()
            plan = make_plan(stage, screening).write(self.definition.folder)
            self._say_plan(plan)
            return self._score(plan)
        return self._explore()

    def _screen(self, pilot: Pilot) -> Screening:
        factors, runs = counted(len(self.definition.factors), "factor"), counted(len(self.definition.screening), "run")
        self.view.say(f"screening {factors} by {runs}, which are not scored")
        return Screening(self.definition, pilot, self.results)

    def _score(self, plan: Plan) -> Scored:
        self.source.plan = plan
        self.scored = Scored(self.definition, plan, self.results, self.spent)
        return self.scored

    def _explore(self) -> Scored | None:
        """Return the runs of pairs of factors after those that count; None where there are none, or after them."""
        if self.definition.config.pairs is None or self.explored is not None or self.scored is None:
            return None
        self.explored = explore(self.scored)
        if self.explored.stage is None:
            self.view.say("there is no pair of factors to explore")
            return None
        pairs = ", ".join(" and ".join(pair) for pair in self.explored.pairs.values())
        self.view.say(f"exploring pairs, which changes no verdict: {pairs}")
        return self.explored.stage

    def spent(self) -> float:
        """Return the seconds that the study has taken, earlier attempts included."""
        return self.spent_before + time.monotonic() - self.begun

    def _say_plan(self, plan: Plan) -> None:
        target = plan.target
        self.view.say(f"target: {target['metric']} {target['value']:g} ({target['text']})")
        if "noise" in target:
            self.view.say(f"note: {target['noise']}")
        if plan.screening:
            self.view.say(describe_screening(plan.screening))
        claims = sum(contrast["kind"] != "same" for contrast in plan.contrasts)
        arms = len(plan.arms) - len(plan.same)
        self.view.say(
            f"plan {plan.sha256[:12]}: {counted(arms, 'arm')}, {counted(claims, 'comparison')}, "
            f"{counted(len(plan.seeds), 'block')}, cap {plan.cap_steps} steps"
        )
        for name, rate in plan.rates.items():
            self.view.say(f"{name}: optimizer.lr={rate:.4g}")
        if plan.rates:
            count = len(plan.rates) * (self.definition.config.tune + 1)
            self.view.say(f"tuning took {counted(count, 'run')}, none of which is scored")
        by_design = same_arms(self.definition.design.arms)
        for name, other in plan.same.items():
            if name not in by_design:
                self.view.say(f"{name} trains as {other} does: what was measured for both comes to the same here")
        for name, other in plan.same_steps.items():
            self.view.say(f"{name} takes the steps of {other}, bit for bit: only its seconds are measured")
        for name, error in plan.dropped.items():
            self.view.say(f"{name} is left out: {error}")

    def where(self) -> str:
        """Return where the study is, in words."""
        count = len(self.results.outcomes)
        if self.explored is not None:
            return f"pairs, {counted(count, 'run')}, {format_time(self.spent())}"
        if isinstance(self.source.stage, Scored):
            over, planned = self._said_blocks, len(self.source.stage.plan.seeds)
            return f"{over} of {planned} blocks, {counted(count, 'run')}, {format_time(self.spent())}"
        word = "screening" if isinstance(self.source.stage, Screening) else "pilot"
        return f"{word}, {counted(count, 'run')}, {format_time(self.spent())}"

    def say_progress(self) -> None:
        """Say how far it is, when that has changed, and stop where the pilot alone is over the budget."""
        stage = self.source.stage
        if isinstance(stage, Scored) and self.explored is None:
            over = len(stage.blocks)
            if over > self._said_blocks:
                self._said_blocks = over
                planned = len(stage.plan.seeds)
                self.view.say(f"block {over} of {planned} is over after {format_time(self.spent())}")
                if over == planned and not stage.plan.decision_rule.sequential:
                    self.view.say("timing the steps of every arm, one run at a time: leave the machine alone")
            return
        self.view.say_beside(self.where())
        budget = self.definition.config.budget
        if self.scored is None and budget is not None and self.spent() > to_seconds(budget, "study.budget"):
            message = f"study.budget={budget} was over before the pilot runs were"
            raise ConfigError(
                message, "give it more, fewer factors, or a shorter recipe; `--plan` says how long it takes"
            )


def folder_name(settings: Settings) -> str:
    """Return the name of the folder of a run."""
    recipe = settings.choices.get("recipe")
    recipes = recipe if isinstance(recipe, list) else [recipe or "train"]
    return check_name(settings.name or "+".join(str(name).replace("/", "-") for name in recipes))
