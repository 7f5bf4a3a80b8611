"""Which runs a command line names: runs, folders of a sweep or a study, and a filter."""

from __future__ import annotations

from collections.abc import Sequence

from fastrun.errors import UsageError
from fastrun.report.filter import parse_filter
from fastrun.report.find_run import OUTPUTS, find_run
from fastrun.report.index import records
from fastrun.report.record import RunRecord


def select_runs(words: Sequence[str], query: str | None) -> list[RunRecord]:
    """Return the runs that a command line names, each once.

    Args:
        words: runs, and folders that have runs: those of a sweep, a study, or a name. Without any, the output folder.
        query: which of them; see :mod:`fastrun.report.filter`.

    Raises:
        CheckpointError: a word names no run.
        UsageError: nothing is named, a word names several runs, or no run is left.
    """
    if not words and query is None:
        raise UsageError("compare needs runs", "fastrun compare RUN RUN, fastrun compare SWEEP, or --filter 'best>0.9'")
    matches = None if query is None else parse_filter(query)
    found = {
        record.path.resolve(): record
        for word in words or [str(OUTPUTS)]
        for record in records(find_run(word, takes_sweeps=True))
        if matches is None or matches(record)
    }
    if not found:
        where = " ".join(words) or str(OUTPUTS)
        hint = "`fastrun runs` lists those there are" if query is None else f"leave out or change --filter {query!r}"
        raise UsageError(f"no runs in {where}" + " that match" * (query is not None), hint)
    return list(found.values())
