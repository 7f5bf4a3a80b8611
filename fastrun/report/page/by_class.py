"""How good a run is for each class: its best checkpoint on validation data, and what ``fastrun eval`` left in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from fastrun.errors import FastrunError
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.training.trained.by_class import ByClass, ClassResult

_MOST_IN_MATRIX = 20  # classes
_SPLIT = "val"


@dataclass(frozen=True)
class ClassSection:
    """The results by class of one evaluation, or why there are none.

    Attributes:
        title: what was measured on what.
        rows: the classes, the weakest first.
        names: the classes in the order of the matrix.
        matrix: the number of samples by label (rows) and prediction (columns); empty for many classes.
        note: why nothing was measured.
    """

    title: str = ""
    rows: list[ClassResult] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    matrix: list[list[int]] = field(default_factory=list)
    note: str = ""


def class_sections(directory: RunDir, *, measures: bool) -> list[ClassSection]:
    """Return the results of a run by class.

    Args:
        directory: the run.
        measures: whether its best checkpoint is measured on its validation data.
    """
    measured = measure_by_class(directory) if measures else None
    sections = [measured] if measured is not None else []
    for kept in kept_sections(directory):
        if all(section.rows != kept.rows for section in sections):
            sections.append(kept)
    return sections


def measure_by_class(directory: RunDir) -> ClassSection | None:
    """Measure the best checkpoint of a run on its validation data.

    Returns:
        The results; with a note alone where they cannot be measured, as where the data is gone. None for a task
        without classes.
    """
    if directory.read("data.json").get("task") != "classification":
        return None
    if directory.status() == "running":
        return ClassSection(note="not measured while the run is running")
    try:
        found = _measure(directory)
    except FastrunError as error:
        return ClassSection(note=f"not measured: {error.message}")
    return _section("The best checkpoint on validation data", found.rows, found.names, found.matrix)


def kept_sections(directory: RunDir) -> Iterator[ClassSection]:
    """Yield the results by class in the files that ``fastrun eval`` left in a run."""
    for name, content in directory.evaluations().items():
        with suppress(LookupError, TypeError):  # written by somebody else
            rows = [ClassResult(**row) for row in content["classes"]]
            title = f"{content['checkpoint']} on {content['split']} data, from {name}"
            yield _section(title, rows, list(content["class_names"]), content["confusion_matrix"] or [])


def _section(title: str, rows: list[ClassResult], names: list[str], matrix: list[list[int]]) -> ClassSection:
    return ClassSection(title, rows, names, matrix if len(names) <= _MOST_IN_MATRIX else [])


def _measure(directory: RunDir) -> ByClass:
    from fastrun import compose
    from fastrun.components.data.early import check_early

    settings = compose.from_config(directory.config(), [], has_trackers=False)
    checkpoint = select(directory.checkpoints, "best", settings.target.metric, settings.metrics)
    check_early(settings.data)  # before torch, which takes seconds
    from fastrun.training.trained.evaluate import examine

    found = examine(settings, checkpoint, _SPLIT).findings.by_class
    assert found is not None, "the task has classes"
    return found
