"""The records of all runs below a folder. Those whose files have not changed since they were read are not read again.

What is known is kept in an index (:mod:`fastrun.report.index_file`), by the path of each run and the inode, the time
of the last change (of its permissions, too) and the size of its files. A run whose status is ``running`` is looked at
each time, since its process may be gone.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

from fastrun.report.index_file import IndexFile
from fastrun.report.location import name_of, short_id
from fastrun.report.record import RunRecord, read_record
from fastrun.report.scan import RunPath, scan
from fastrun.storage.run_dir import RunDir

Progress = Callable[[int, int], None]  # runs that are read, of how many

_FILES = "overrides.yaml", "status.json", "summary.json"  # that a record is read from, beside config.yaml
_UNFINISHED = "metrics.jsonl", "run.log"  # that the record of a run is read from which has not finished
_LEAST = 50  # runs; of fewer, an index would save no time that anybody notices
_CHUNK = 200  # runs that are read before they are kept
_PLACE = "path", "id", "name", "sweep", "kind", "runs"  # the first fields and the last: they follow from the place
_KEPT = tuple(entry.name for entry in fields(RunRecord) if entry.name not in _PLACE)
_STATUS = _KEPT.index("status")


@dataclass(frozen=True)
class Runs:
    """The runs below a folder.

    Attributes:
        records: their records, the newest last.
        unreadable: folders that cannot be read, and may hold more.
    """

    records: list[RunRecord]
    unreadable: list[Path]


def records(folder: Path, progress: Progress | None = None) -> list[RunRecord]:
    """Return the records of the runs below a folder, the newest last.

    Args:
        folder: the folder.
        progress: is told how many runs are read, where many must be.
    """
    return read_runs(folder, progress).records


def read_runs(folder: Path, progress: Progress | None = None) -> Runs:
    """Return the records of the runs below a folder, and what of it cannot be read.

    Args:
        folder: the folder.
        progress: is told how many runs are read, where many must be.
    """
    with _without_collection():
        return _read_runs(folder, progress)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage, which takes as long as the rest while many records are made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_runs(folder: Path, progress: Progress | None) -> Runs:
    found = scan(folder)
    index = IndexFile.open(folder) if len(found.runs) >= _LEAST else None
    if index is None:
        read = [read_record(Path(run.path), run.sweep) for run in _counted(found.runs, progress)]
    else:
        try:
            read = _read_changed(found.runs, f"{folder}/".replace("//", "/"), index, progress)
        finally:
            index.close()
    read.sort(key=lambda record: (record.started, record.path))
    return Runs(_with_unique_ids(read), list(dict.fromkeys(found.unreadable)))


def _counted(runs: Sequence[RunPath], progress: Progress | None) -> Iterable[RunPath]:
    for done, run in enumerate(runs):
        if progress is not None:
            progress(done, len(runs))
        yield run


def _read_changed(runs: Sequence[RunPath], prefix: str, index: IndexFile, progress: Progress | None) -> list[RunRecord]:
    """Return the records of runs, from the index where their files are as they were; and keep the others in it.

    Args:
        runs: the runs.
        prefix: the folder of the index, as their paths begin.
        index: what is known.
        progress: is told how many runs are read.
    """
    known = index.read()
    current, changed = _unchanged(runs, prefix, known)
    index.write((), known)  # what remains of it is gone
    remaining = iter(enumerate(changed))
    while chunk := list(islice(remaining, _CHUNK)):
        rows = []
        for done, (path, run) in chunk:
            if progress is not None:
                progress(done, len(changed))
            stamps = {is_finished: _stamp(run, is_finished=is_finished) for is_finished in (True, False)}
            record = read_record(Path(run.path), run.sweep)  # after its stamp: what changes meanwhile is read again
            current.append(record)
            rows.append((path, stamps[record.status == "finished"], [getattr(record, name) for name in _KEPT]))
        index.write(rows)
    return current


def _unchanged(
    runs: Sequence[RunPath], prefix: str, known: dict[str, tuple[str, Sequence[Any]]]
) -> tuple[list[RunRecord], list[tuple[str, RunPath]]]:
    """Return the records of the runs whose files are as they were, and the others with their paths in the index.

    Args:
        runs: the runs.
        prefix: the folder of the index, as their paths begin.
        known: what the index holds; the runs are taken out of it.
    """
    current: list[RunRecord] = []
    changed: list[tuple[str, RunPath]] = []
    for run in runs:
        path = run.path.removeprefix(prefix)
        stamp, values = known.pop(path, ("", ()))
        record = _restored(run, values) if stamp == _stamp(run, is_finished=_is_finished(values)) else None
        if record is None:
            changed.append((path, run))
        else:
            current.append(record)
    return current, changed


def _stamp(run: RunPath, *, is_finished: bool) -> str:
    """Return the inode, the time and the size of each file that the record of a run is read from."""
    parts = [f"{run.config.st_ino} {run.config.st_ctime_ns} {run.config.st_size}"]
    for name in _FILES if is_finished else (*_FILES, *_UNFINISHED):
        try:
            state = os.stat(f"{run.path}/{name}")  # noqa: PTH116 (faster than pathlib)
        except OSError:
            parts.append("-")
        else:
            parts.append(f"{state.st_ino} {state.st_ctime_ns} {state.st_size}")
    return ",".join(parts)


def _is_finished(values: Sequence[Any]) -> bool:
    return len(values) == len(_KEPT) and values[_STATUS] == "finished"


def _restored(run: RunPath, values: Sequence[Any]) -> RunRecord | None:
    """Return a record from what the index holds; None if that is not whole, or the run has ended since."""
    if len(values) != len(_KEPT):
        return None
    path = Path(run.path)
    record = RunRecord(*[path, short_id(path, run.sweep), name_of(path, run.sweep), *values, run.sweep])
    if record.status == "running" and RunDir(path).status() != "running":
        return None
    return record


def _with_unique_ids(found: list[RunRecord]) -> list[RunRecord]:
    """Return records whose ids differ: those that are the same are made longer, by more of the directory's name."""
    ids = [record.id for record in found]
    for lengthen in (_with_second, _whole_name, _with_folder):
        counts = Counter(ids)
        if len(counts) == len(ids):
            break
        ids = [lengthen(record) if counts[id_] > 1 else id_ for record, id_ in zip(found, ids, strict=True)]
    return [record if record.id == id_ else replace(record, id=id_) for record, id_ in zip(found, ids, strict=True)]


def _with_second(record: RunRecord) -> str:
    """Return the second and the random characters of a directory's name, or of its sweep's."""
    place = record.sweep or record.path
    mark = place.name[-len("00-0000") :] if short_id(place) != place.name else place.name
    return f"{mark}/{record.id.rpartition('/')[2]}" if record.sweep else mark


def _whole_name(record: RunRecord) -> str:
    return f"{record.sweep.name}/{record.id.rpartition('/')[2]}" if record.sweep else record.path.name


def _with_folder(record: RunRecord) -> str:
    return f"{record.name}/{_whole_name(record)}"
