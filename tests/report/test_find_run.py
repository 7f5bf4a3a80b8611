"""Words that name a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.errors import UsageError
from fastrun.report.find_run import UnknownRun, find_run

Make = Callable[..., Path]
OLD = Path("outputs/mlp_fast/2026-11-27_10-00-00-aaaa")
GOOD = Path("outputs/mlp_fast/2026-11-28_10-00-00-bbbb")
TEXT = Path("outputs/text/2026-11-28_11-00-00-cccc")
SWEEP = Path("outputs/mlp_fast/sweep-2026-11-28_12-00-00-dddd")
JOB = SWEEP / "3-clip=norm"


@pytest.fixture
def runs(folder: Path, make_run: Make) -> None:
    make_run(OLD, best=0.8, started=1.0)
    make_run(GOOD, best=0.95, started=2.0)
    make_run(TEXT, "failed", None, started=3.0)
    make_run(JOB, best=0.9, started=4.0)
    (SWEEP / "sweep.json").write_text("{}")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("latest", JOB),
        ("best", GOOD),
        ("bbbb", GOOD),
        ("dddd/3", JOB),
        ("dddd", SWEEP),
        ("2026-11-27", OLD),
        ("sweep-2026", SWEEP),
        ("3-clip", JOB),
        ("text/latest", TEXT),
        ("outputs/text/latest", TEXT),
        ("mlp_fast/best", GOOD),
        ("mlp_fast/2026-11-28", GOOD),
        (str(OLD), OLD),
        (f"{OLD}/", OLD),
    ],
)
def test_a_word_names_a_run(word: str, path: Path) -> None:
    assert find_run(word) == path


@pytest.mark.usefixtures("runs")
def test_the_latest_may_be_a_sweep() -> None:
    assert find_run("latest", takes_sweeps=True) == SWEEP
    assert find_run("text/latest", takes_sweeps=True) == TEXT
    assert find_run("best", takes_sweeps=True) == GOOD


@pytest.mark.usefixtures("runs")
def test_a_path_always_wins() -> None:
    Path("latest").mkdir()
    assert find_run("latest") == Path("latest")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("word", "kind", "message", "hint"),
    [
        ("2026-11-28", UsageError, "could be one of 2 runs", f"type more of it: {GOOD}, {TEXT}"),
        ("bbba", UnknownRun, "bbba is not a run directory", "did you mean bbbb?"),
        ("lates", UnknownRun, "lates is not a run directory", "did you mean latest?"),
        ("zzzzzz", UnknownRun, "zzzzzz is not a run directory", "`fastrun runs` lists those there are"),
        ("x" * 5000, UnknownRun, "is not a run directory", "`fastrun runs`"),
        ("", UnknownRun, "is not a run directory", "`fastrun runs`"),
        ("text/best", UnknownRun, "no run has measured anything yet", "`fastrun runs`"),
    ],
)
def test_a_word_that_names_none_or_several_is_refused(
    word: str, kind: type[UsageError], message: str, hint: str
) -> None:
    with pytest.raises(kind) as error:
        find_run(word)
    assert message in error.value.message
    assert hint in (error.value.hint or "")


@pytest.mark.usefixtures("runs")
def test_the_best_of_runs_that_cannot_be_compared_is_refused(make_run: Make) -> None:
    make_run(Path("outputs/houses/2026-11-28_13-00-00-eeee"), best=0.99, choices={"data": "table"})
    with pytest.raises(UsageError, match="val/acc on digits, val/acc on table") as error:
        find_run("best")
    assert "/best" in (error.value.hint or "")
    assert find_run("houses/best").parent.name == "houses"


def test_without_runs_nothing_is_found(folder: Path) -> None:
    for word in ("latest", "best", "abcd"):
        with pytest.raises(UnknownRun, match=f"{word} is (not a run directory|no run: there are none in outputs)"):
            find_run(word)
