"""Searches by Optuna that cannot begin, and why."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

Refused = Callable[..., str]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "hydra/sweeper=optuna", "seed=1"), "there is nothing to search"),
        (("-m", "hydra/sweeper=optuna", "seed=1,2", "hydra.sweeper.n_trial=3"), "did you mean n_trials?"),
        (("-m", "hydra/sweeper=optuna", "seed=1,2", "hydra.sweeper.sampler=tp"), "did you mean tpe?"),
        (("-m", "hydra/sweeper=optuna", "seed=1,2", "hydra.sweeper.n_trials=0"), "the minimum is 1"),
        (("-m", "hydra/sweeper=optuna", "seed=1,2", "sweep.random=3"), "sweep.random is not for"),
        (("-m", "hydra/sweeper=optuna", "optimizer=sgd,adamx"), "optimizer=adamx: no such option"),
        (("-m", "hydra/sweeper=optuna", "batch.accumulate=int(interval(1,1000))"), "larger than batch.size"),
    ],
)
def test_what_cannot_be_searched_is_refused(refused: Refused, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments)


def test_without_optuna_one_line_says_how_to_install_it(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "fastrun.compose.search.optuna_study", raising=False)
    err = refused("-m", "hydra/sweeper=optuna", "seed=1,2")
    assert "hydra/sweeper=optuna needs optuna" in err
    assert "hint: pip install 'fastrun[sweep]'" in err
