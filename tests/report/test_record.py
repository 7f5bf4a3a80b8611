"""What is known of a run from its files, whole or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.report.record import read_record
from fastrun.storage.run_dir import RunDir

Make = Callable[..., Path]


def test_a_finished_run_is_read_from_its_summary(folder: Path, make_run: Make) -> None:
    path = make_run(
        Path("outputs/mlp_fast/2026-11-28_07-29-54-767f"),
        overrides=["optimizer=sgd", "name=mlp_fast", "epochs=2"],
        optimizer={"_target_": "torch.optim.SGD", "lr": 0.1, "betas": [0.9, 0.99]},
        target=0.8,
    )
    record = read_record(path)
    assert (record.id, record.name, record.recipe, record.status) == ("767f", "mlp_fast", "mlp_fast", "finished")
    assert (record.metric, record.best, record.best_step, record.higher_is_better) == ("val/acc", 0.9, 10, True)
    assert (record.target_reached, record.target_seconds, record.target_steps) == (True, 1.5, 10)
    assert (record.steps, record.train_seconds, record.wall_seconds) == (20, 2.5, 9.0)
    assert record.overrides == ["+recipe=mlp_fast", "optimizer=sgd", "name=mlp_fast", "epochs=2"]
    assert record.differs == ["optimizer=sgd", "epochs=2"]
    assert record.config["optimizer.lr"] == 0.1
    assert record.config["optimizer.betas"] == [0.9, 0.99]
    assert record.choices["model"] == "mlp"
    assert (record.started, record.updated) == (1.79e9, 1.79e9 + 30)
    assert record.sweep is None


@pytest.mark.parametrize(
    ("logged", "reason"),
    [
        ("error: the loss is not finite at step 3\nhint: lower the rate", "the loss is not finite at step 3"),
        ("RuntimeError: mine\nTraceback (most recent call last):\n  File …\nRuntimeError: mine", "RuntimeError: mine"),
        ("", None),
    ],
)
def test_an_unfinished_run_has_what_it_measured_and_why_it_ended(
    folder: Path, make_run: Make, logged: str, reason: str | None
) -> None:
    path = make_run(Path("outputs/a/one"), "failed", None)
    run = RunDir(path)
    run.append(
        [
            {"step": 10, "train_seconds": 1.0, "val/acc": 0.5},
            {"step": 20, "train_seconds": 2.0, "val/acc": 0.9},
            {"step": 30, "train_seconds": 3.0, "val/acc": 0.9},
            {"step": 35, "train_seconds": 3.5, "train/loss": 0.1},
        ]
    )
    with run.metrics.open("a") as file:
        file.write('{"step": 40, "val/acc": 0.99')  # half-written
    if logged:
        (path / "run.log").write_text(f"2026-11-28 07:30:03 device: cpu\n2026-11-28 07:30:04 {logged}\n")
    record = read_record(path)
    assert (record.best, record.best_step, record.steps, record.train_seconds) == (0.9, 20, 35, 3.5)
    assert record.reason == reason


def test_a_target_that_was_reached_before_the_end_counts(folder: Path, make_run: Make) -> None:
    path = make_run(Path("outputs/a/one"), "interrupted", 0.9)
    config = (path / "config.yaml").read_text().replace("  value: null", "  value: 0.85", 1)
    (path / "config.yaml").write_text(config)
    assert "0.85" in config
    record = read_record(path)
    assert (record.target, record.target_reached, record.target_seconds) == (0.85, True, 1.5)


def test_an_older_summary_does_not_speak_for_a_later_attempt(folder: Path, make_run: Make) -> None:
    path = make_run(Path("outputs/a/one"), best=0.9)
    (path / "status.json").write_text('{"status": "failed"}')
    (path / "metrics.jsonl").write_text('{"step": 50, "val/acc": 0.95}\n')
    record = read_record(path)
    assert (record.status, record.best, record.steps) == ("failed", 0.95, 50)


@pytest.mark.parametrize("name", ["config.yaml", "overrides.yaml", "status.json", "summary.json", "metrics.jsonl"])
@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"best": 3, "started": "x", "choices": 4}', "null", "\x00\xff"]
)
def test_files_of_any_content_are_no_error(folder: Path, make_run: Make, name: str, content: str) -> None:
    path = make_run(Path("outputs/a/one"))
    (path / name).write_text(content, encoding="latin-1")
    record = read_record(path)
    assert record.path == path
    assert json.dumps([record.best, record.steps, record.started])


def test_a_run_of_another_format_says_so(folder: Path, make_run: Make) -> None:
    path = make_run(Path("outputs/a/one"))
    (path / "config.yaml").write_text("format: 1\nseed: 3\n")
    record = read_record(path)
    assert record.reason == "has format 1; this version of fastrun reads format 2"
    assert record.seed == 3


def test_a_run_of_a_study_belongs_to_it(folder: Path, make_run: Make) -> None:
    from fastrun.report.index import records

    study = Path("outputs/mlp_fast/study-2026-11-28_07-29-54-abcd")
    make_run(study / "runs/0-norm=none")
    (study / "runs/sweep.json").write_text("{}")
    (study / "plan.json").write_text("{}")
    (record,) = records(Path("outputs"))
    assert (record.sweep, record.id, record.name) == (study, "abcd/0", "mlp_fast")
    assert [one.id for one in records(study / "runs")] == ["abcd/0"]
    assert [one.id for one in records(study)] == ["abcd/0"]
