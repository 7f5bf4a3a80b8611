"""A trial that was handed out before a search was stopped is taken up again, or its place is taken by another."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

optuna = pytest.importorskip("optuna")

from fastrun.compose.search.optuna_internals import resume_trial  # noqa: E402 (optuna is an extra)


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    study.ask().suggest_float("rate", 0, 1)
    return study


def test_it_goes_on_with_the_values_that_it_had(study) -> None:
    (frozen,) = study.trials
    trial = resume_trial(study, frozen)
    assert trial is not None
    assert trial.suggest_float("rate", 0, 1) == frozen.params["rate"]
    study.tell(trial, 0.5)
    assert study.trials[0].value == 0.5


def test_it_fails_where_its_id_is_not_known(study) -> None:
    assert resume_trial(study, SimpleNamespace(number=0)) is None
    assert study.trials[0].state == optuna.trial.TrialState.FAIL
