"""What would be removed of some runs, and what of that others need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastrun.report.location import is_study
from fastrun.report.record import RunRecord
from fastrun.report.study_state import read_state
from fastrun.storage.checkpoint import select
from fastrun.storage.run_dir import RunDir

Source = tuple[Path, RunRecord]  # what a run starts from, and the run


@dataclass(frozen=True)
class Removal:
    """What is removed of a run.

    Attributes:
        record: the run.
        checkpoints: the files of the checkpoints that are removed; None where the whole directory is.
        size: the bytes of it.
        needed_by: why something else needs it, or None.
    """

    record: RunRecord
    checkpoints: list[Path] | None
    size: int
    needed_by: str | None = None


def plan(
    chosen: Sequence[RunRecord],
    known: Sequence[RunRecord],
    *,
    only_checkpoints: bool = False,
    keeps_best: bool = True,
    keeps_needed: bool = True,
) -> list[Removal]:
    """Return what would be removed of some runs, those that run left out.

    Args:
        chosen: the runs.
        known: all runs there are, which may need some of those.
        only_checkpoints: remove checkpoints, and keep the rest of each directory.
        keeps_best: keep the best checkpoint then; and of a run that has not finished the newest, to go on from.
        keeps_needed: what is needed will be kept, and so it needs other runs in turn.
    """
    removals = {}
    for record in chosen:
        files = _checkpoints_of(record, keeps_best) if only_checkpoints else None
        if record.status != "running" and files != []:
            size = _size(record.path) if files is None else sum(map(_size_of_file, files))
            removals[record.path] = Removal(record, files, size)
    sources = list(_sources(known))
    staying = {record.path for record in known if only_checkpoints or record.path not in removals}
    reasons = dict(_needed(removals.values(), known, sources, staying))
    more = set(reasons) if keeps_needed else set()
    while more:
        staying |= more
        others = [removal for path, removal in removals.items() if path not in reasons]
        new = dict(_needed(others, known, sources, staying))
        reasons |= new
        more = set(new)
    return [replace(removal, needed_by=reasons.get(path)) for path, removal in removals.items()]


def _needed(
    removals: Iterable[Removal], known: Sequence[RunRecord], sources: Sequence[Source], staying: set[Path]
) -> Iterator[tuple[Path, str]]:
    """Yield the directory of each run that another run or a sweep needs, and in words which.

    Args:
        removals: what is removed.
        known: all runs.
        sources: what runs start from.
        staying: the directories of the runs that stay.
    """
    incomplete = {record.sweep for record in known if record.path in staying}
    studies = {sweep for sweep in {record.sweep for record in known} if sweep is not None and is_study(sweep)}
    kept_studies = {study for study in studies if not is_abandoned(study)} | (studies & incomplete)
    users: dict[Path, list[RunRecord]] = {}  # of each file or directory, and of the folders that it lies in
    for source, record in sources:
        if record.path in staying:
            for place in (source, *source.parents):
                users.setdefault(place, []).append(record)
    exact = {source for source, _ in sources}
    for removal in removals:
        record, sweep = removal.record, removal.record.sweep
        taken = [place for place in _taken(removal, exact) if place in users]
        user = next((one for place in taken for one in users[place] if one.path != record.path), None)
        if user is not None:
            yield record.path, f"{user.id} starts from its weights (transfer.source)"
        elif removal.checkpoints is None and sweep in kept_studies:
            yield record.path, f"it is a run of the study {record.sweep_id}"
        elif removal.checkpoints is None and sweep is not None and sweep in incomplete:
            yield record.path, f"it is in the ledger of the sweep {record.sweep_id}, of which other runs stay"


def _taken(removal: Removal, sources: set[Path]) -> list[Path]:
    """Return what other runs can no longer start from: the directory, or files of checkpoints.

    Args:
        removal: what is removed.
        sources: what runs start from; a directory among them needs any checkpoint in it.
    """
    folder = Path(os.path.realpath(removal.record.path))
    if removal.checkpoints is None:
        return [folder]
    files = [folder / "checkpoints" / path.name for path in removal.checkpoints]
    has_none_left = len(files) == len(list((folder / "checkpoints").glob("step-*.ckpt")))
    return [*files, *([folder] if has_none_left and folder in sources else [])]


def _checkpoints_of(record: RunRecord, keeps_best: bool) -> list[Path]:
    """Return the files of the checkpoints of a run, without those that are kept, and without manifests."""
    run = RunDir(record.path)
    saved = run.saved_checkpoints()
    kept = set()
    if keeps_best and saved:
        best = select.best(saved, record.config.get("target.metric"), record.directions)
        kept = {(best or saved[0]).path} | ({saved[0].path} if record.status != "finished" else set())
    return sorted(path for path in run.checkpoints.glob("step-*.ckpt") if path not in kept)


def _sources(known: Iterable[RunRecord]) -> Iterator[Source]:
    """Yield the file or directory that each run starts from, and the run."""
    for record in known:
        source = record.config.get("transfer.source")
        if isinstance(source, str) and record.config.get("transfer.kind") != "none":
            started_in = RunDir(record.path).read("status.json").get("folder")
            for path in (Path(source).expanduser(), Path(str(started_in or ".")) / source):
                yield Path(os.path.realpath(path)), record


def is_abandoned(study: Path) -> bool:
    """Say whether a study or a race ended without a verdict, so that nothing is lost with all of its runs."""
    return read_state(study).status in ("killed", "failed", "interrupted")


def emptied_sweeps(gone: set[Path], known: Sequence[RunRecord]) -> list[Path]:
    """Return the folders of sweeps whose runs are all gone; a study that has verdicts keeps its folder."""
    emptied = {record.sweep for record in known if record.sweep is not None and record.path in gone}
    remaining = {record.sweep for record in known if record.path not in gone}
    return sorted(sweep for sweep in emptied - remaining if not is_study(sweep) or is_abandoned(sweep))


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; links count as what they are."""
    return sum(_size_of_file(Path(root) / name) for root, _, names in os.walk(folder) for name in names)


def _size_of_file(path: Path) -> int:
    try:
        return _size(path) if path.is_dir() and not path.is_symlink() else path.lstat().st_size
    except OSError:
        return 0
