"""Results by class: of the best checkpoint, on validation data that is still there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastrun.cli.main import main
from fastrun.report.page.by_class import measure_by_class
from fastrun.storage.run_dir import RunDir
from fastrun.training.trained.by_class import results_by_class


def test_a_run_is_measured_and_its_page_says_so(folder: Path, shell, parse) -> None:
    done = shell("train", "+recipe=mlp_fast", "epochs=2")
    assert done.returncode == 0, done.stderr
    (run,) = folder.glob("outputs/mlp_fast/*")
    done = shell("report", str(run))
    assert done.returncode == 0, done.stderr
    page = parse(run / "report.html")
    counts = [int(count or 0) for count in re.findall(r"<td[^>]*background[^>]*>(\d*)</td>", page.html)]
    right = [int(count or 0) for count in re.findall(r'<td class="right"[^>]*>(\d*)</td>', page.html)]
    accuracy = json.loads((run / "summary.json").read_text())["best"]["value"]
    assert (len(counts), len(right)) == (100, 10)
    assert sum(right) / sum(counts) == pytest.approx(accuracy)
    assert "The best checkpoint on validation data" in page.text
    assert shell("report", str(run), "--no-eval", "--out", "plain.html").returncode == 0
    assert "By class" not in parse(folder / "plain.html").text


def test_what_eval_left_in_a_run_is_on_its_page_without_measuring(
    folder: Path, make_run: Callable[..., Path], parse
) -> None:
    run = make_run(folder / "run")
    found = results_by_class(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), ["cat", "dog"])
    RunDir(run).keep_evaluation(
        "test-last", {"checkpoint": "checkpoints/x.ckpt", "split": "test", "test/acc": 0.5} | found.plain()
    )
    RunDir(run).keep_evaluation("val-best", {"checkpoint": "checkpoints/x.ckpt", "split": "val", "val/r2": 0.5})
    assert main(["report", "run", "--no-eval"]) == 0
    text = parse(run / "report.html").text
    assert "checkpoints/x.ckpt on test data, from eval-test-last.json" in text
    assert "dog (2)" in text
    assert "eval-val-best.json" not in text


def test_what_cannot_be_measured_is_said(folder: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(folder / "run")
    assert measure_by_class(RunDir(run)) is None  # a regression
    (run / "data.json").write_text(json.dumps({"task": "classification"}))
    result = measure_by_class(RunDir(run))
    assert result is not None
    assert result.note.startswith("not measured: ")
    assert result.rows == []
