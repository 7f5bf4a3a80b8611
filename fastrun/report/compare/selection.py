"""Which runs a command line names: runs, folders of a sweep or a study, and a filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.report.filter import explain, parse_filter
from fastrun.report.find_run import OUTPUTS, find_run
from fastrun.report.index import records
from fastrun.report.location import is_study
from fastrun.report.record import RunRecord
from fastrun.report.study_record import outside_studies
from fastrun.report.study_state import label_of, read_state


@dataclass(frozen=True)
class Selection:
    """The runs that a command line names.

    Attributes:
        records: the runs, each once.
        notes: what to say of those that were left out.
    """

    records: list[RunRecord]
    notes: list[str]


def select_runs(words: Sequence[str], query: str | None) -> Selection:
    """Return the runs that a command line names.

    Args:
        words: runs, and folders that have runs: those of a sweep, a study, or a name. Without any, the output folder.
            ``latest`` or ``best`` alone is the whole sweep of such a run, if it belongs to one. Of a study, the runs of
            its blocks that have the most common length; the runs of studies within a folder are left out.
        query: which of them; see :mod:`fastrun.report.filter`.

    Raises:
        UsageError: nothing is named, a word names no run or several, or no run is left.
    """
    if not words and query is None:
        raise UsageError("compare needs runs", "fastrun compare RUN RUN, fastrun compare SWEEP, or --filter 'best>0.9'")
    if not words and not OUTPUTS.is_dir():
        raise UsageError("no runs here yet", "`fastrun train` starts one in outputs/")
    matches = None if query is None else parse_filter(query)
    named: list[RunRecord] = []
    notes: list[str] = []
    for word in words or [str(OUTPUTS)]:
        found, said = _runs_of(find_run(word, takes_sweeps=len(words) == 1))
        named += found
        notes += said
    unique = named if matches is None else list(filter(matches, named))
    if len(words) > 1:  # they may name a run twice
        unique = list({record.path.resolve(): record for record in unique}.values())
    if not unique:
        where = " ".join(words) or str(OUTPUTS)
        hint = "`fastrun runs` lists those there are"
        if query is not None:
            hint = (named and explain(query, named)) or f"leave out or change --filter {query!r}"
        raise UsageError(f"no runs in {where}" + " that match" * (query is not None), hint)
    return Selection(unique, notes)


def _runs_of(path: Path) -> tuple[list[RunRecord], list[str]]:
    """Return the runs that a path names, and what to say of those that are left out."""
    found = records(path)
    folder = path.parent if is_study(path.parent) and path.name == "runs" else path
    if is_study(folder):
        return _of_study(folder, found)
    kept = outside_studies(found, path)
    left_out = len(found) - len(kept)
    return kept, [f"{left_out:,} runs of studies are left out: fastrun compare STUDY"] if left_out else []


def _of_study(folder: Path, found: Sequence[RunRecord]) -> tuple[list[RunRecord], list[str]]:
    """Return the runs of a study that compare: whole trainings of its blocks, of one length.

    Raises:
        UsageError: there are none so far.
    """
    state = read_state(folder)
    labels = {record.path: label_of(record.path.name) for record in found}
    scored = [one for one in found if not labels[one.path].is_timed and state.scored(labels[one.path]) is not None]
    if not scored:
        hint = f"fastrun watch {folder} shows where it is; its runs may be named one by one"
        raise UsageError(f"the {state.kind} {folder} has no run that is scored so far", hint)
    lengths = Counter(record.config.get("steps") for record in scored)
    length, count = max(lengths.items(), key=lambda pair: pair[1])
    kept = [record for record in scored if record.config.get("steps") == length]
    note = (
        f"{count} of the {len(found):,} runs of the {state.kind} are compared: those of {length} steps in its blocks; "
        f"its verdicts are by the steps that each arm needs: fastrun report {folder}"
    )
    return kept, [note]
