"""Writing the page of a run, a sweep or a study into a file."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import StorageError, UsageError
from fastrun.report.location import is_study
from fastrun.report.page.by_class import class_sections
from fastrun.report.page.render import GENERATOR, render_page
from fastrun.report.page.run_files import read_run
from fastrun.report.page.run_page import run_context
from fastrun.report.page.study_page import study_context
from fastrun.report.page.sweep_page import sweep_context
from fastrun.storage.atomic import write_atomic
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import Ledger, is_sweep

_NAME = "report.html"
_HEAD = 1000  # bytes of a page within which it says that fastrun wrote it


def write_page(folder: Path, out: Path | None = None, *, measures: bool = True) -> Path:
    """Write the page of a run, a sweep or a study, in place of one that fastrun wrote before.

    Args:
        folder: the directory of the run, or the folder of the sweep or study.
        out: the file; None for ``report.html`` in the folder.
        measures: whether the best checkpoint of a run is measured by class.

    Returns:
        The file.

    Raises:
        UsageError: the folder holds none of them, or another file is in the way.
        StorageError: the file cannot be written, or the folder not be read.
    """
    path = out or folder / _NAME
    check_replaceable(path)
    page = _render(folder, measures)
    try:
        write_atomic(path, page)
    except StorageError as error:
        raise StorageError(error.message, "choose another file with --out FILE") from error
    return path


def check_replaceable(path: Path) -> None:
    """Check that there is no file of this name but a page that fastrun wrote.

    Raises:
        UsageError: there is another one.
    """
    if not path.exists() and not path.is_symlink():
        return
    try:
        with path.open("rb") as file:
            is_ours = f'name="generator" content="{GENERATOR}'.encode() in file.read(_HEAD)
    except OSError:
        is_ours = False
    if not is_ours:
        raise UsageError(
            f"{path} already exists, and is no page that fastrun wrote", "choose another file with --out FILE"
        )


def _render(folder: Path, measures: bool) -> str:
    if is_study(folder):
        return render_page("study.html.j2", study_context(folder))
    if is_sweep(folder):
        return render_page("sweep.html.j2", sweep_context(Ledger.open(folder)))
    if (folder / "config.yaml").is_file():
        directory = RunDir(folder)
        by_class = class_sections(directory, measures=measures)
        return render_page("run.html.j2", run_context(read_run(directory), by_class))
    raise UsageError(f"{folder} is no run, sweep or study", "`fastrun runs` lists those there are")
