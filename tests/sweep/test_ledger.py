"""What a ledger that came to harm is good for, and what is no sweep's business."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from fastrun.cli.main import main

pytestmark = pytest.mark.slow

TINY = (
    "data=synthetic", "data.samples=16", "data.shape=[2]", "data.classes=2", "model=mlp", "model.hidden=[2]", "steps=1"
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three jobs that ended well."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["train", *TINY, "-m", "seed=1,2,3", "device=cpu"]) == 0
    return next(place.glob("outputs/train/sweep-*"))


@pytest.fixture
def sweep(folder: Path, made: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, folder / "outputs/train/sweep"))


def change(row: Path, **values: Any) -> None:
    row.write_text(json.dumps(json.loads(row.read_text()) | values))


def test_harmed_rows_are_read_off_their_runs_and_what_is_lost_runs_again(sweep: Path, rows: Any, capsys: Any) -> None:
    first, second, third = sorted(sweep.glob("ledger/*.json"))
    whole = [row | {"attempts": 0} for row in rows(sweep)]
    first.write_text(first.read_text()[:200])
    change(second, state="running", pid=2**22 - 1)
    third.write_text("{}")
    shutil.rmtree(next(sweep.glob("2-*")))
    assert main(["resume", str(sweep)]) == 0
    mended = rows(sweep)
    assert [row["state"] for row in mended] == ["finished"] * 3
    assert [row["attempts"] for row in mended] == [0, 1, 1]
    for key in ("sweep_overrides", "overrides", "best"):
        assert [row[key] for row in mended] == [row[key] for row in whole], key
    assert json.loads((sweep / mended[2]["folder"] / "summary.json").read_text())["status"] == "finished"
    assert "3 jobs, all finished" in capsys.readouterr().out


def test_a_changed_config_is_no_row(sweep: Path, rows: Any) -> None:
    first = min(sweep.glob("ledger/*.json"))
    config = json.loads(first.read_text())["config"]
    change(first, state="killed", config=config | {"steps": 5})
    assert main(["resume", str(sweep)]) == 0
    found = rows(sweep)[0]["config"]
    measured = dict.fromkeys(("speed", "amp", "pipeline"))  # which the run itself has filled in
    assert found | measured == config | measured


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["resume", "SWEEP", "epochs=2"], 2, "epochs=2: the jobs of a sweep stay as they are"),
        (["resume", "SWEEP", "sweep.grace=soon"], 2, "sweep.grace=soon is not a time"),
        (["resume", "RUN", "--failed"], 2, "is not a sweep"),
        (["tune", "SWEEP"], 2, "is a sweep, not a run"),
        (["train", "-m", "seed=1,2", "hydra.sweep.dir=SWEEP"], 7, "holds a sweep already"),
        (["train", "-m", "seed=1,2", "sweep.timeout=0s"], 2, "sweep.timeout=0s is not a time"),
    ],
)
def test_what_makes_no_sense_is_refused(sweep: Path, capsys: Any, arguments: list[str], code: int, words: str) -> None:
    places = {"SWEEP": str(sweep), "RUN": str(next(sweep.glob("0-*")))}
    assert main([re.sub("SWEEP|RUN", lambda found: places[found[0]], text) for text in arguments]) == code
    assert words in capsys.readouterr().err


def test_what_cannot_be_known_any_more_is_said(sweep: Path, capsys: Any) -> None:
    (sweep / "sweep.json").write_text("{")
    min(sweep.glob("ledger/*.json")).write_text("{")
    assert main(["resume", str(sweep)]) == 6
    assert "00000.json is broken" in capsys.readouterr().err
