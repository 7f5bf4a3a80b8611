"""Races by formula: what is planted is found and written, nothing else is, and a kill changes nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from simulated import Config, FakeClient, Killed, Lab, Physics

from fastrun.compose import compose
from fastrun.errors import ConfigError, FastrunError, UsageError
from fastrun.report.location import is_race
from fastrun.report.study_state import read_state
from fastrun.study.arms import FULL
from fastrun.study.race.outcome import as_data, lines
from fastrun.study.race.race import Finish, begin, define, go_on
from fastrun.study.race.settings import split_race
from fastrun.study.race.space import default_space, parse_space, points

RUN = ("+recipe=mlp_fast", "optimizer=sgd", "optimizer.lr=0.01", "target.value=0.8")
SPACE = "race.space=[optimizer=sgd,adamw,nesterov clip=none,norm]"
SMALL = "race.space=[optimizer=sgd,adamw]"
FAST = "AdamW"


def pace(config: Config) -> float:
    return 1.8 if config["optimizer"]["_target_"].endswith(FAST) else 1.0


def fate(config: Config) -> str:
    return "diverged" if config["optimizer"].get("nesterov") else ""


PLANTED = Physics(pace, lambda config: 1e-3 if config["clip"]["kind"] == "none" else 1.5e-3, fate)
NOTHING = Physics()


class RaceLab(Lab):
    """Runs races whose jobs end at once."""

    def race(self, *arguments: str, physics: Physics = PLANTED, dies_after: int = 1 << 30) -> Finish:
        config, overrides = split_race([*RUN, *arguments])
        self.clients.append(FakeClient(physics, dies_after))
        return begin(define(config, overrides), self.clients[-1], quiet=True)  # type: ignore[arg-type]

    def resume(self, physics: Physics = PLANTED, dies_after: int = 1 << 30) -> Finish:
        self.clients.append(FakeClient(physics, dies_after))
        return go_on(self.folder, client=self.clients[-1], quiet=True)  # type: ignore[arg-type]

    @property
    def folder(self) -> Path:
        return max(Path().glob("outputs/mlp_fast/race-*"), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def lab(folder: Path) -> RaceLab:
    return RaceLab()


@pytest.mark.slow
def test_the_planted_option_is_found_confirmed_on_fresh_seeds_and_written(lab: RaceLab) -> None:
    finish = lab.race(SPACE)
    assert finish.winner == "optimizer=adamw"
    assert finish.row is not None
    found = finish.row.verdict
    assert (found.verdict, found.blocks) == ("faster", 6)
    assert found.low < 1.8 < found.high
    assert is_race(finish.race.folder)
    assert finish.recipe == Path("recipes/mlp_fast_raced.yaml")
    text = finish.recipe.read_text()
    assert f"takes {found.ratio:.2f} ({found.low:.2f} to {found.high:.2f}) times as long" in text
    raced = compose(["+recipe=mlp_fast_raced"])
    assert raced.choices["optimizer"] == "adamw"
    assert raced.target.value == 0.8
    assert raced.steps < 320
    assert raced.optimizer["lr"] == compose(["+recipe=mlp_fast"]).optimizer["lr"]


@pytest.mark.slow
def test_no_seed_of_the_search_is_used_to_confirm(lab: RaceLab) -> None:
    finish = lab.race(SPACE)
    assert finish.plan is not None
    seeds = {int(part.removeprefix("seed=")) for name in lab.started for part in name.split(",") if "seed=" in part}
    search = {seed for seed in seeds if seed >= 1_000_000}
    assert len(finish.plan.seeds) == 6
    assert set(finish.plan.seeds) == seeds - search
    assert max(search) < 1_000_008


@pytest.mark.slow
def test_what_is_said_is_the_confirmed_figure_alone(lab: RaceLab) -> None:
    finish = lab.race(SPACE)
    assert finish.row is not None
    said = "\n".join(lines(finish))
    assert f"training takes {finish.row.verdict.ratio:.2f} (" in said
    assert as_data(finish)["verdict"]["blocks"] == 6
    assert as_data(finish)["recipe"] == "recipes/mlp_fast_raced.yaml"


@pytest.mark.slow
def test_a_given_run_that_nothing_beats_is_said_to_be_the_best_and_no_recipe_is_written(lab: RaceLab) -> None:
    worse = Physics(lambda config: 1.0 if config["optimizer"]["_target_"].endswith("SGD") else 0.7, fate=fate)
    finish = lab.race("race.space=[optimizer=sgd,adamw,lion]", physics=worse)
    assert (finish.winner, finish.row, finish.recipe) == (FULL, None, None)
    assert read_state(finish.race.folder).reason == "nothing beats the given run"
    assert next(lines(finish)).startswith("nothing beats the given run")
    assert not Path("recipes").exists()


@pytest.mark.slow
def test_a_winner_by_luck_is_not_confirmed_and_not_written(lab: RaceLab) -> None:
    def lucky(config: Config) -> float:
        return 1.3 if config["optimizer"]["_target_"].endswith(FAST) and config["seed"] >= 1_000_000 else 1.0

    finish = lab.race(SMALL, physics=Physics(lucky))
    assert finish.winner == "optimizer=adamw"
    assert finish.row is not None
    assert finish.row.verdict.verdict != "faster"
    assert finish.recipe is None
    assert "no recipe is written" in "\n".join(lines(finish))


@pytest.mark.slow
def test_a_race_that_is_killed_again_and_again_ends_the_same_and_repeats_no_run(lab: RaceLab) -> None:
    whole = lab.race(SPACE)
    started, recipe = sorted(lab.started), Path("recipes/mlp_fast_raced.yaml")
    text = recipe.read_text().partition("in race-")[0]
    recipe.unlink()
    killed = RaceLab()
    with pytest.raises(Killed):
        killed.race(SPACE, dies_after=3)
    for _ in range(40):
        try:
            again = killed.resume(dies_after=15)
            break
        except Killed:
            continue
    assert again.winner == whole.winner
    assert len(killed.started) == len(set(killed.started)) == len(started)
    assert again.row is not None
    assert whole.row is not None
    assert again.row.verdict.steps_ratio == whole.row.verdict.steps_ratio
    assert recipe.read_text().partition("in race-")[0] == text
    count = len(killed.started)
    assert killed.resume().recipe == recipe
    assert len(killed.started) == count


@pytest.mark.full
def test_a_recipe_is_never_overwritten(lab: RaceLab) -> None:
    first, second = lab.race(SMALL), lab.race(SMALL)
    assert str(second.recipe) == "recipes/mlp_fast_raced_2.yaml" != str(first.recipe)
    with pytest.raises(UsageError, match=r"race\.name=mlp_fast_raced: there is a recipe of that name"):
        lab.race(SMALL, "race.name=mlp_fast_raced")
    assert str(lab.race(SMALL, "race.name=fast").recipe) == "recipes/fast.yaml"


@pytest.mark.slow
def test_a_candidate_that_fails_loses_and_makes_room_for_another(lab: RaceLab) -> None:
    physics = Physics(pace, fate=lambda config: "no clipping today" if config["clip"]["kind"] != "none" else "")
    finish = lab.race("race.space=[optimizer=sgd,adamw clip=none,norm,value,agc]", "race.candidates=8", physics=physics)
    assert finish.winner == "optimizer=adamw"


@pytest.mark.full
def test_a_budget_lets_fewer_candidates_in_and_leaves_the_comparison_whole(lab: RaceLab, monkeypatch) -> None:
    clock = {"seconds": 2.0}
    monkeypatch.setattr("fastrun.study.results.Results.add", timed(clock))
    space = "race.space=[optimizer=sgd,adamw optimizer.lr=0.001..0.1]"
    finish = lab.race(space, "race.budget=5min", "race.candidates=24")
    assert 4 <= finish.tried < 24
    assert finish.row is not None
    assert finish.row.verdict.blocks == 6
    with pytest.raises(ConfigError, match=r"race\.budget=60s is too short: the comparison takes about") as raised:
        lab.race(space, "race.budget=60s", "race.candidates=4")
    assert "give it" in str(raised.value.hint)


def timed(clock: dict[str, float]):
    """Return a method that takes note of a run as one that took so many seconds."""
    from fastrun.study.results import Results

    add = Results.add

    def add_timed(self, record, *, is_live=False):
        record.seconds = clock["seconds"]
        add(self, record, is_live=is_live)

    return add_timed


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["target.value=null"], "a race needs a target", "target.value=0.9"),
        (["race.space=[]"], "race.space is empty", "optimizer=sgd,adamw"),
        (["race.space=[optimzer=sgd]"], "race.space: optimzer=sgd: no key or group optimzer", "optimizer"),
        (["race.space=[optimizer=sdg]"], "race.space: optimizer=sdg", "did you mean sgd?"),
        (["race.space=[optimizer]"], "race.space: optimizer has no values", "write overrides"),
        (["race.space=[optimizer.lr=0.1..0.01]"], "race.space: optimizer.lr=0.1..0.01 is no range", "smaller end"),
        (["race.space=[data=mnist]"], "race.space: data is the same in every run", "leave it out"),
        (["race.space=[optimizer=sgd]"], "race.space holds nothing but the run itself", "add values"),
        (["race.space=[clip=norm clip=value]"], "race.space: clip is there twice", "once"),
        (["race.blocks=3"], "race.blocks=3: no fewer than 6 can decide", "race.blocks=6"),
        (["race.budget=5"], "race.budget=5 is not a time", "30min"),
        (["race.spce=[]"], "no key race.spce", "did you mean race.space?"),
        (["race.name=a b"], "race.name=a b: no recipe can have that name", "letters"),
        (["race.candidates=1"], "race.candidates=1", None),
    ],
)
def test_what_no_race_can_be_run_with_is_said_in_a_line(lab: RaceLab, arguments, message, hint) -> None:
    with pytest.raises(FastrunError) as raised:
        lab.race(*arguments)
    assert message in raised.value.message
    assert hint is None or hint in str(raised.value.hint)
    assert lab.started == []


@pytest.mark.slow
def test_a_target_that_the_given_run_does_not_reach_is_refused_after_the_pilot(lab: RaceLab) -> None:
    with pytest.raises(ConfigError, match=r"does not reach val/acc 0\.999"):
        lab.race(SPACE, "target.value=0.999")


def test_a_space_reads_as_it_is_typed() -> None:
    text = "[optimizer=sgd,adamw model.hidden=[8,8],[16] optimizer.lr=0.001..0.1 batch.size=32..128 clip.max=0.5x..2x]"
    axes = parse_space(text)
    assert "[" + " ".join(map(str, axes)) + "]" == text
    assert axes[1].ends() == ["model.hidden=[8,8]", "model.hidden=[16]"]
    assert [axes[2].at(share) for share in (0.0, 0.5, 1.0)] == [
        "optimizer.lr=0.001",
        "optimizer.lr=0.01",
        "optimizer.lr=0.1",
    ]
    assert axes[3].at(0.5) == "batch.size=64"
    assert axes[4].at(0.5) == "clip.max=1x"
    config, rest = split_race(["a=1", "race.space=[optimizer=sgd,adamw", "optimizer.lr=0.1..1]", "b=2"])
    assert (config.space, rest) == ("[optimizer=sgd,adamw optimizer.lr=0.1..1]", ["a=1", "b=2"])


def test_a_small_space_is_tried_whole_and_points_of_a_large_one_change_about_three_things() -> None:
    small = parse_space("[clip=none,norm norm=none,batch]")
    assert sorted(map(tuple, points(small, 0, 10))) == [
        (f"clip={clip}", f"norm={norm}") for clip in ("none", "norm") for norm in ("batch", "none")
    ]
    axes = default_space(compose(["+recipe=mlp_fast"]))
    assert [axis.key for axis in axes][-1] == "optimizer.lr"
    assert not {"data", "transfer", "model"} & {axis.key for axis in axes}
    drawn = [point for point, _ in zip(points(axes, 0, 10), range(200), strict=False)]
    assert 2.5 < sum(map(len, drawn)) / len(drawn) < 3.5
    assert drawn == [point for point, _ in zip(points(axes, 0, 10), range(200), strict=False)]
    assert drawn != [point for point, _ in zip(points(axes, 1, 10), range(200), strict=False)]


def test_a_factor_of_a_rate_is_of_the_own_rate_of_the_option(lab: RaceLab) -> None:
    config, overrides = split_race([*RUN, "race.space=[optimizer=sgd,adamw optimizer.lr=1x..1.0001x]"])
    race = define(config, overrides)
    rates = {arm.settings.choices["optimizer"]: arm.settings.optimizer["lr"] for arm in race.candidates.values()}
    own = compose(["+recipe=mlp_fast"]).optimizer["lr"]
    assert math.isclose(rates["adamw"], own)
    assert math.isclose(rates["sgd"], 0.01)


@pytest.mark.slow
def test_a_recipe_keeps_what_was_typed_and_can_be_composed(lab: RaceLab) -> None:
    finish = lab.race(SPACE, "batch.size=32", "optimizer.momentum=0.5", "model.hidden=[16]", "seed=3")
    assert finish.recipe is not None
    content = yaml.safe_load(finish.recipe.read_text())
    assert content["batch"] == {"size": 32}
    assert "seed" not in content
    assert "optimizer" not in content
    raced = compose(["+recipe=mlp_fast_raced"])
    assert (raced.batch.size, list(raced.model["hidden"])) == (32, [16])
