"""Words that name a run wherever a command takes one: a path, ``latest``, ``best``, a short id, a part of a name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fastrun.errors import UsageError, nearest
from fastrun.report.index import records
from fastrun.report.location import is_race, is_study
from fastrun.report.record import RunRecord
from fastrun.report.study_record import outside_studies
from fastrun.storage.atomic import storage_errors
from fastrun.sweep.ledger import is_sweep

OUTPUTS = Path("outputs")
WORDS = "latest", "best"

_LISTED = 4  # candidates in a message


class UnknownRun(UsageError):
    """A word names no run."""


def find_run(word: str, outputs: Path = OUTPUTS, *, takes_sweeps: bool = False) -> Path:
    """Return the directory of the run that a word names.

    A path that exists always wins. Otherwise the word is ``latest`` (the run that was started last), ``best`` (the one
    with the best validation), a short id as ``fastrun runs`` prints it, or the start of the name of one directory.
    After the name of a folder, as in ``mlp_fast/best``, only the runs in it count. The runs within a study or a race
    are not ``latest`` or ``best``, unless its folder is named: they are parts of one measurement.

    Args:
        word: what was typed.
        outputs: the output folder.
        takes_sweeps: whether ``latest`` and ``best`` are the sweep of a run that belongs to one, and ``latest`` the
            study.

    Returns:
        The run directory; or the folder of a sweep or study where its id or name was typed.

    Raises:
        UnknownRun: there is no such run.
        UsageError: the word names several runs, or only runs within studies.
    """
    if os.path.exists(word):  # noqa: PTH110 (False for a word that is too long to be a path)
        return Path(word)
    folder, last = _split(word, outputs)
    known = [record for record in records(outputs) if record.path.is_relative_to(folder)] if outputs.is_dir() else []
    if last in WORDS and known:
        own = known if takes_sweeps and last == "latest" else outside_studies(known, folder)
        if not own:
            studies = list(dict.fromkeys(str(record.sweep) for record in known))
            raise UsageError(f"{word}: all runs here belong to studies", f"name the study: {studies[-1]}/{last}")
        record = own[-1] if last == "latest" else _best(own)
        return record.sweep if takes_sweeps and record.sweep else record.path
    candidates = _candidates(last, known)
    if len(candidates) > 1:
        listed = ", ".join(map(str, candidates[-_LISTED:]))
        rest = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
        raise UsageError(f"{word} could be one of {len(candidates)} runs", f"type more of it: {listed}{rest}")
    if candidates:
        return candidates[0]
    if last in WORDS:
        raise UnknownRun(f"{word} is no run: there are none in {folder}", "`fastrun train` starts one")
    names = [*WORDS, *(record.id for record in known), *(record.path.name for record in known)]
    raise UnknownRun(f"{word} is not a run directory", nearest(last, names) or "`fastrun runs` lists those there are")


def check_is_run(path: Path, word: str) -> None:
    """Check that a path is the directory of a single run.

    Args:
        path: the path.
        word: what was typed for it.

    Raises:
        UnknownRun: it is no run.
        UsageError: it is a sweep, a study or a race.
        StorageError: it cannot be read.
    """
    with storage_errors(path, "read"):
        kind = "race" if is_race(path) else "study" if is_study(path) else "sweep" if is_sweep(path) else None
        is_run = (path / "config.yaml").is_file()
    if kind is not None:
        hint = "name one of the runs in it" + (f"; `fastrun report {path}` shows it" if kind != "sweep" else "")
        raise UsageError(f"{word} is a {kind}, not a run", hint)
    if not is_run:
        raise UnknownRun(f"{word} is not a run directory", "`fastrun runs` lists those there are")


def _split(word: str, outputs: Path) -> tuple[Path, str]:
    """Return the folder of runs that a word begins with, the output folder if none, and the rest of the word."""
    head, _, last = word.rpartition("/")
    for folder in (Path(head), outputs / head):
        if head and folder.is_dir() and folder.is_relative_to(outputs):
            return folder, last
    return outputs, word


def _best(known: Sequence[RunRecord]) -> RunRecord:
    """Return the run with the best validation, the latest of several that are as good.

    Raises:
        UnknownRun: nothing was measured.
        UsageError: the runs have different metrics or data, so they cannot be compared.
    """
    measured = [record for record in known if record.best is not None]
    if not measured:
        raise UnknownRun("no run has measured anything yet", "`fastrun runs` says how they ended")
    kinds = {f"{record.metric} on {record.choices.get('data', 'other data')}" for record in measured}
    if len(kinds) > 1:
        shown = ", ".join(sorted(kinds)[:_LISTED])
        hint = f"name a folder of them: {measured[-1].name}/best; or see `fastrun runs --sort best`"
        raise UsageError(f"which runs? They are judged by {shown}", hint)
    return max(reversed(measured), key=lambda record: record.rank)


def _candidates(word: str, known: Sequence[RunRecord]) -> list[Path]:
    """Return the runs, sweeps and studies that a word may name; one alone where it is its id."""
    ids = {record.path: record.id for record in known}
    ids |= {record.sweep: record.sweep_id or "" for record in known if record.sweep is not None}
    exact = [path for path, name in ids.items() if name == word]
    if len(exact) == 1 or not word:
        return exact
    return [path for path in ids if path.name.startswith(word) or path.name.endswith(f"-{word}")]
