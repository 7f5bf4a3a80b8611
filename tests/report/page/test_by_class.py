"""Results by class: of the best checkpoint, on validation data that is still there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.report.page.by_class import from_matrix, measure_by_class
from fastrun.storage.run_dir import RunDir


def test_results_follow_from_the_matrix() -> None:
    result = from_matrix([[8, 2, 0], [0, 10, 0], [0, 0, 0]], ["cat", "dog", "eel"])
    assert [row.name for row in result.rows] == ["cat", "dog", "eel"]  # the worst first
    cat, dog, eel = result.rows
    assert (cat.samples, cat.recall, cat.precision, cat.f1) == (10, 0.8, 1.0, pytest.approx(8 / 9))
    assert cat.taken_for == ("dog", 2)
    assert (dog.recall, dog.precision, dog.taken_for) == (1.0, pytest.approx(10 / 12), None)
    assert (eel.samples, eel.recall, eel.precision, eel.f1) == (0, None, None, None)
    assert len(from_matrix([[1] * 21] * 21, list(map(str, range(21)))).matrix) == 0


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


def test_what_cannot_be_measured_is_said(folder: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(folder / "run")
    assert measure_by_class(RunDir(run)) is None  # a regression
    (run / "data.json").write_text(json.dumps({"task": "classification"}))
    result = measure_by_class(RunDir(run))
    assert result is not None
    assert result.note.startswith("not measured: ")
    assert result.rows == []
