"""``fastrun tune``: the table, what later runs take, and how it is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = ["model=mlp", "model.hidden=[16]", "data=synthetic", "data.samples=400", "data.shape=[8]", "batch.size=32"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "auto"


def test_tune_prints_a_table_and_later_runs_take_its_answer(shell, folder: Path, cache: Path) -> None:
    given = {"FASTRUN_CACHE": str(cache.parent)}
    done = shell("tune", *SMALL, "--seconds", "1", **given)
    assert done.returncode == 0, done.stderr
    assert "speed.fused=true" in done.stdout
    assert "compare times within a setting only" in done.stdout
    assert "runs of this training take" in done.stdout
    assert not (folder / "outputs").exists()
    run = shell("train", *SMALL, "steps=3", **given)
    assert "measured before" in run.stdout
    assert shell("tune", "--clear", **given).stdout.startswith("forgot 1 answer in ")
    assert list(cache.glob("*.json")) == []


def test_tune_prints_json(shell, cache: Path) -> None:
    done = shell("tune", *SMALL, "--seconds", "1", "--json", FASTRUN_CACHE=str(cache.parent))
    answer = json.loads(done.stdout)
    assert answer["choice"]["speed.threads"] == 1
    assert answer["step_ms"] > 0
    assert all(row["verdict"] for row in answer["measured"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0"], "it takes time to measure"),
        (["--seconds", "nan"], "it takes time to measure"),
        (["--clear", "epochs=3"], "--clear forgets all answers"),
        (["+recipe=baseline", "speed.threads=1"], "every setting is given by hand"),
        (["optimiser=sgd"], "optimiser"),
    ],
)
def test_wrong_input_is_refused_in_a_line(shell, arguments: list[str], message: str) -> None:
    done = shell("tune", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 2
