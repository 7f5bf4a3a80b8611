"""Words that name a run wherever a command takes one: a path, ``latest``, ``best``, a short id, a part of a name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fastrun.errors import CheckpointError, UsageError, nearest
from fastrun.report.index import records
from fastrun.report.record import RunRecord

OUTPUTS = Path("outputs")
WORDS = "latest", "best"

_LISTED = 4  # candidates in a message


def find_run(word: str, outputs: Path = OUTPUTS, *, takes_sweeps: bool = False) -> Path:
    """Return the directory of the run that a word names.

    A path that exists always wins. Otherwise the word is ``latest`` (the run that was started last), ``best`` (the one
    with the best validation), a short id as ``fastrun runs`` prints it, or the start of the name of one directory.
    After the name of a folder, as in ``mlp_fast/best``, only the runs in it count.

    Args:
        word: what was typed.
        outputs: the output folder.
        takes_sweeps: whether ``latest`` and ``best`` are the sweep or study of a run that belongs to one.

    Returns:
        The run directory; or the folder of a sweep or study where its id or name was typed.

    Raises:
        CheckpointError: there is no such run.
        UsageError: the word names several runs.
    """
    if os.path.exists(word):  # noqa: PTH110 (False for a word that is too long to be a path)
        return Path(word)
    folder, last = _split(word, outputs)
    known = [record for record in records(outputs) if record.path.is_relative_to(folder)] if outputs.is_dir() else []
    if last in WORDS and known:
        record = known[-1] if last == "latest" else _best(known)
        return record.sweep if takes_sweeps and record.sweep else record.path
    candidates = _candidates(last, known)
    if len(candidates) > 1:
        listed = ", ".join(map(str, candidates[-_LISTED:]))
        rest = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
        raise UsageError(f"{word} could be one of {len(candidates)} runs", f"type more of it: {listed}{rest}")
    if candidates:
        return candidates[0]
    names = [*WORDS, *(record.id for record in known), *(record.path.name for record in known)]
    raise CheckpointError(
        f"{word} is not a run directory", nearest(last, names) or "`fastrun runs` lists those there are"
    )


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
        CheckpointError: nothing was measured.
        UsageError: the runs have different metrics or data, so they cannot be compared.
    """
    measured = [record for record in known if record.best is not None]
    if not measured:
        raise CheckpointError("no run has measured anything yet", "`fastrun runs` says how they ended")
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
