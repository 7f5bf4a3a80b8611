"""What is tried for which bottleneck, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastrun.compose import compose
from fastrun.errors import ConfigError, Diverged
from fastrun.training.builders.setup import set_up
from fastrun.tune.diagnose import candidates as candidates_module
from fastrun.tune.diagnose import outcome as outcome_module
from fastrun.tune.diagnose.candidates import Candidate, candidates
from fastrun.tune.diagnose.evaluation import Save
from fastrun.tune.diagnose.machine import Machine
from fastrun.tune.diagnose.outcome import Outcome, best_outcome, try_all
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.steps import Steps
from fastrun.tune.diagnose.trial import Trial

TINY = ["data=synthetic", "data.samples=256", "data.shape=[4]", "model=mlp", "model.hidden=[4]", "batch.size=16"]
IMAGES = ["data=synthetic", "data.shape=[1,8,8]", "data.samples=64", "model=cnn", "batch.size=8"]


def trial_of(*overrides: str) -> Trial:
    settings = compose(list(overrides))
    return Trial(settings, set_up(settings))


def measured_of(trial: Trial) -> Measured:
    """Numbers that nobody measured: a step takes 1 ms, a validation and a save 5 ms."""
    steps = Steps(trial.size, 1e-5, 1e-3, 0.01, 1e-3, 3e-4, 0.1, 0.1, 1.0, 0.0, 5)
    machine = Machine(1e9, "float32", 1e9, 1)
    return Measured(steps, trial.parts.plan, 5e-3, Save(5e-3, 5e-3), None, None, machine, 0)


def overrides_for(bottleneck: str, *overrides: str) -> list[str]:
    trial = trial_of(*overrides)
    return [" ".join(one.overrides) for one in candidates([bottleneck], trial, measured_of(trial))]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("bottleneck", "overrides", "expected"),
    [
        ("input-bound", [*TINY, "pipeline=plain"], "pipeline=resident"),
        ("input-bound", TINY, "pipeline=workers pipeline.num_workers=2"),
        ("compute-bound", [*TINY, "amp=off"], "amp=bf16"),
        ("compute-bound", [*TINY, "amp=bf16"], "amp=off"),
        ("compute-bound", [*TINY, "speed=plain"], "speed=auto"),
        ("compute-bound", IMAGES, "speed.channels_last=false"),
        ("host-bound", [*TINY, "amp=bf16"], "amp=off"),
        ("host-bound", TINY, "batch.size=64"),
        ("validation-bound", TINY, "val_every=5ep"),
        ("validation-bound", [*TINY, "batch.eval_size=4"], "batch.eval_size=16"),
        ("validation-bound", [*TINY, "val_every=1", "steps=5"], "val_every=100%"),
        ("checkpoint-bound", TINY, "checkpoint.every=10ep"),
        ("checkpoint-bound", [*TINY, "checkpoint.every=1"], "checkpoint.every=100"),
    ],
)
def test_what_is_tried_goes_by_the_bottleneck(
    monkeypatch, bottleneck: str, overrides: list[str], expected: str
) -> None:
    monkeypatch.setattr(candidates_module, "allowed_cores", lambda: 2)
    assert expected in overrides_for(bottleneck, "epochs=100", *overrides)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("bottleneck", "overrides", "unexpected"),
    [
        ("input-bound", TINY, "pipeline=resident"),  # it is
        ("input-bound", [*TINY, "pipeline=workers", "pipeline.num_workers=2"], "num_workers=2"),
        ("host-bound", [*TINY, "amp=off"], "amp"),
        ("host-bound", [*TINY, "batch.size=100"], "batch.size"),  # more than there are
        ("compute-bound", TINY, "channels_last"),
        ("validation-bound", [*TINY, "val_every=100%"], "val_every"),
        ("checkpoint-bound", [*TINY, "checkpoint.every=100%"], "checkpoint"),
        ("busy machine", TINY, "amp"),
    ],
)
def test_nothing_is_tried_that_is_so_already(
    monkeypatch, bottleneck: str, overrides: list[str], unexpected: str
) -> None:
    monkeypatch.setattr(candidates_module, "allowed_cores", lambda: 2)
    assert unexpected not in " ".join(overrides_for(bottleneck, *overrides))


def test_a_candidate_is_typed_as_it_is_applied() -> None:
    candidate = Candidate({"pipeline.kind": "workers", "pipeline.num_workers": 3, "speed.channels_last": False})
    assert candidate.overrides == ["pipeline=workers", "pipeline.num_workers=3", "speed.channels_last=false"]
    applied, typed = candidate.apply(compose(TINY)), compose([*TINY, *candidate.overrides])
    assert (applied.pipeline, applied.speed) == (typed.pipeline, typed.speed)
    assert Candidate({"val_every": "5ep"}).apply(compose(TINY)).val_every == "5ep"


@pytest.fixture(scope="module")
def tiny() -> Trial:
    return trial_of(*TINY)


@pytest.fixture
def tried(monkeypatch, tiny: Trial):
    """Try candidates that make the steps so many times faster as the test says, by their overrides."""
    monkeypatch.setattr(outcome_module, "release_unused", lambda: None)

    def attempt(factors: dict[str, float | Exception], *more: Candidate) -> list[Outcome]:
        def compare(base: Trial, other: Trial, seconds: float) -> float:
            now = [name for name in (*factors,) if name in said[-1]]
            product = 1.0
            for name in now:
                found = factors[name]
                if isinstance(found, Exception):
                    raise found
                product *= found
            return product

        monkeypatch.setattr(outcome_module, "compare_steps", compare)
        trial = tiny
        changes = {
            "amp=off": {"amp.kind": "off"},
            "amp=bf16": {"amp.kind": "bf16"},
            "batch.size=32": {"batch.size": 32},
        }
        said: list[str] = []
        listed = [*(Candidate(changes[name]) for name in factors), *more]
        return try_all(listed, trial, replace(measured_of(trial), validation=0.0, save=None), 1.0, said.append)

    return attempt


def test_only_what_is_five_percent_faster_helps(tried) -> None:
    outcomes = tried({"amp=off": 1.04, "batch.size=32": 1.06})
    assert [one.helps for one in outcomes] == [False, True]
    assert best_outcome(outcomes).candidate.overrides == ["batch.size=32"]
    assert best_outcome(tried({"amp=off": 0.5})) is None


def test_what_helps_alone_is_tried_together(tried) -> None:
    best = best_outcome(tried({"amp=off": 1.5, "batch.size=32": 2.0}))
    assert best.candidate.changes == {"batch.size": 32, "amp.kind": "off"}
    assert best.factor == pytest.approx(3.0)


def test_two_values_of_a_key_are_not_tried_together(tried) -> None:
    outcomes = tried({"amp=off": 1.5, "amp=bf16": 1.2})
    assert len(outcomes) == 2
    assert best_outcome(outcomes).candidate.overrides == ["amp=off"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("can't allocate memory: you tried"), "out of memory"),
        (ConfigError("it does not fit"), "it does not fit"),
        (Diverged("the loss is nan at step 1"), "the loss is nan"),
        (ValueError("first line\nsecond line"), "first line"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_candidate_that_fails_is_out_and_the_others_go_on(tried, error: Exception, words: str) -> None:
    failed, good = tried({"amp=off": error, "batch.size=32": 2.0})
    assert failed.factor is None
    assert words in failed.failure
    assert "\n" not in failed.failure
    assert good.helps


def test_what_is_done_between_steps_is_added_to_what_makes_them_faster(monkeypatch) -> None:
    monkeypatch.setattr(outcome_module, "compare_steps", lambda base, other, seconds: 2.0)
    trial = trial_of(*TINY, "epochs=100", "checkpoint=none")
    measured = replace(measured_of(trial), save=None, validation=trial.parts.plan.steps_per_epoch * 1e-3)
    rare = Candidate({"val_every": "100ep"})
    outcomes = try_all([Candidate({"amp.kind": "off"}), rare], trial, measured, 1.0, lambda text: None)
    assert outcomes[0].factor == pytest.approx(2 / 1.5)  # the validations take as long as before
    assert outcomes[1].factor == pytest.approx(2.0, rel=0.02)
    assert outcomes[2].candidate.overrides == ["amp=off", "val_every=100ep"]
    assert outcomes[2].factor == pytest.approx(4.0, rel=0.05)
