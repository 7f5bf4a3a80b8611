"""What would be removed of some runs, and what of that others need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastrun.report.location import is_study
from fastrun.report.record import RunRecord
from fastrun.storage.checkpoint import select
from fastrun.storage.run_dir import RunDir


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
    chosen: Sequence[RunRecord], known: Sequence[RunRecord], *, only_checkpoints: bool = False, keeps_best: bool = True
) -> list[Removal]:
    """Return what would be removed of some runs, those that run left out.

    Args:
        chosen: the runs.
        known: all runs there are, which may need some of those.
        only_checkpoints: remove checkpoints, and keep the rest of each directory.
        keeps_best: keep the best checkpoint then; and of a run that has not finished the newest, to go on from.
    """
    ended = [record for record in chosen if record.status != "running"]
    sources = list(_sources(known, {record.path for record in chosen} if not only_checkpoints else set()))
    removals = []
    for record in ended:
        files = _checkpoints_of(record, keeps_best) if only_checkpoints else None
        if files == []:
            continue
        removed = [record.path] if files is None else _as_source(record, files, keeps_best)
        needed = _user_of(removed, sources, record)
        if needed is None and not only_checkpoints:
            needed = _needed_by_sweep(record, ended, known)
        size = _size(record.path) if files is None else sum(map(_size_of_file, files))
        removals.append(Removal(record, files, size, needed))
    return removals


def _checkpoints_of(record: RunRecord, keeps_best: bool) -> list[Path]:
    """Return the files of the checkpoints of a run, without those that are kept, and without manifests."""
    run = RunDir(record.path)
    saved = run.saved_checkpoints()
    kept = set()
    if keeps_best and saved:
        best = select.best(saved, record.config.get("target.metric"))
        kept = {(best or saved[0]).path} | ({saved[0].path} if record.status != "finished" else set())
    return sorted(path for path in run.checkpoints.glob("step-*.ckpt") if path not in kept)


def _as_source(record: RunRecord, files: Sequence[Path], keeps_best: bool) -> list[Path]:
    """Return what other runs can no longer start from: the files; and the run as such where no checkpoint is left."""
    return [*files, *([] if keeps_best else [record.path])]


def _sources(known: Iterable[RunRecord], gone: set[Path]) -> Iterator[tuple[Path, RunRecord]]:
    """Yield the file or directory that each run starts from, and the run; for those that stay."""
    for record in known:
        source = record.config.get("transfer.source")
        if record.path in gone or not isinstance(source, str) or record.config.get("transfer.kind") == "none":
            continue
        started_in = RunDir(record.path).read("status.json").get("folder")
        for path in (Path(source).expanduser(), Path(str(started_in or ".")) / source):
            yield Path(os.path.realpath(path)), record


def _user_of(removed: Sequence[Path], sources: Sequence[tuple[Path, RunRecord]], owner: RunRecord) -> str | None:
    """Return in words which other run starts from something that is removed."""
    for path in removed:
        real = Path(os.path.realpath(path))
        for source, user in sources:
            is_inside = source == real or (path == owner.path and source.is_relative_to(real))
            if is_inside and user.path != owner.path:
                return f"{user.id} starts from its weights (transfer.source)"
    return None


def _needed_by_sweep(record: RunRecord, chosen: Sequence[RunRecord], known: Sequence[RunRecord]) -> str | None:
    """Return in words which sweep or study needs a run: one that is not removed as a whole."""
    if record.sweep is None:
        return None
    if is_study(record.sweep):
        return f"it is a run of the study {record.sweep_id}"
    jobs = {one.path for one in known if one.sweep == record.sweep}
    if jobs <= {one.path for one in chosen}:
        return None
    return f"it is in the ledger of the sweep {record.sweep_id}, of which other runs stay"


def emptied_sweeps(gone: set[Path], known: Sequence[RunRecord]) -> list[Path]:
    """Return the folders of sweeps whose runs are all gone; a study keeps its folder, which has its verdicts."""
    emptied = {record.sweep for record in known if record.sweep is not None and record.path in gone}
    remaining = {record.sweep for record in known if record.path not in gone}
    return sorted(sweep for sweep in emptied - remaining if not is_study(sweep))


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; links count as what they are."""
    return sum(_size_of_file(Path(root) / name) for root, _, names in os.walk(folder) for name in names)


def _size_of_file(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
