"""Removing a run directory, the checkpoints of one, or a sweep without runs, and nothing else.

A directory is locked meanwhile, so it is no run's that trains. Links are removed, and never followed. The config goes
last, so that a directory of which a part was removed is still that of a run, which can be removed again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fastrun.errors import InUse, StorageError, UsageError
from fastrun.report import index_file
from fastrun.report.location import is_study
from fastrun.report.prune.plan import Removal
from fastrun.storage.atomic import storage_errors
from fastrun.storage.checkpoint import files
from fastrun.storage.links import check_no_links
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep

_CONFIG = "config.yaml"
_OF_A_SWEEP = "optuna.jsonl", "optuna.lock", "best.json", "lock", "sweep.json"  # beside its runs and its ledger
_OF_A_STUDY = "plan.json", "refused.json", "lock", "race.json", "study.json"  # beside its runs; what marks it goes last


def remove(removal: Removal) -> None:
    """Remove what is planned of a run.

    Raises:
        FastrunError: not all of it can be removed.
    """
    path = removal.record.path
    if removal.checkpoints is not None:
        remove_checkpoints(path, removal.checkpoints)
    elif is_sweep(path.parent):
        folder = path.parent
        with locked(folder.parent if is_study(folder.parent) else folder):  # so that the sweep does not run
            remove_run(path)
    else:
        remove_run(path)


def remove_run(path: Path) -> None:
    """Remove a run directory.

    Raises:
        StorageError: it is not the directory of a run, or something in it cannot be removed.
        InUse: it is running.
    """
    _check_is_run(path)
    with locked(path), storage_errors(path, "remove"):
        _check_is_not_running(path)
        for entry in list(os.scandir(path)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != _CONFIG:
                os.unlink(entry.path)  # noqa: PTH108 (a link is removed, not what it leads to)
        (path / _CONFIG).unlink()
        path.rmdir()


def remove_checkpoints(path: Path, checkpoints: Sequence[Path]) -> None:
    """Remove checkpoints of a run, and note in their folder where none is left, so that no resume starts anew.

    Args:
        path: the run directory.
        checkpoints: their files.

    Raises:
        StorageError: it is not the directory of a run, or a file cannot be removed.
        CheckpointError: the directory has links in it.
        InUse: it is running.
    """
    _check_is_run(path)
    run = RunDir(path)
    check_no_links(path, run.checkpoints)
    with locked(path):
        _check_is_not_running(path)
        if not run.saved_checkpoints() or {saved.path for saved in run.saved_checkpoints()} <= set(checkpoints):
            files.mark_pruned(run.checkpoints)
        for checkpoint in checkpoints:
            files.remove_checkpoint(checkpoint)


def remove_sweep(folder: Path) -> None:
    """Remove the files of a sweep or study that has no run any more, and its folder, unless that holds something else.

    Raises:
        StorageError: a file cannot be removed.
        InUse: the sweep is running.
    """
    if not is_study(folder):
        _remove_ledger(folder)
        return
    _check_no_link(folder)
    with locked(folder), storage_errors(folder, "remove"):
        if is_sweep(folder / "runs"):
            _remove_ledger(folder / "runs")
        for name in _OF_A_STUDY:
            (folder / name).unlink(missing_ok=True)
        _remove_page(folder / "report.html")
    remove_if_empty(folder)


def _remove_page(path: Path) -> None:
    """Remove the page about a study, unless somebody else wrote it."""
    from fastrun.report.page.write import check_replaceable  # here, because it needs what writes pages

    with suppress(UsageError):
        check_replaceable(path)
        path.unlink(missing_ok=True)


def _check_no_link(folder: Path) -> None:
    if folder.is_symlink():
        raise StorageError(f"{folder} is not removed: it is a link", "look at it, and remove it by hand")


def _remove_ledger(folder: Path) -> None:
    if folder.is_symlink() or (folder / "ledger").is_symlink():
        raise StorageError(f"{folder} is not removed: there is a link in it", "look at it, and remove it by hand")
    with locked(folder), storage_errors(folder, "remove"):
        for record in (folder / "ledger").glob("*.json"):
            record.unlink()
        with suppress(OSError):
            (folder / "ledger").rmdir()
        for name in _OF_A_SWEEP:
            (folder / name).unlink(missing_ok=True)
    remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it but an index of runs."""
    with suppress(OSError):
        if [entry.name for entry in os.scandir(folder)] == [index_file.NAME]:
            (folder / index_file.NAME).unlink()
        folder.rmdir()


def _check_is_run(path: Path) -> None:
    """Check that a directory holds a config.yaml as fastrun writes it.

    Raises:
        StorageError: it does not.
    """
    config = path / _CONFIG
    with storage_errors(path, "read"):
        is_run = not path.is_symlink() and not config.is_symlink() and config.is_file()
        is_ours = is_run and config.read_bytes().startswith(b"format:")
    if is_run and not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"{path} is not removed: you may not write into it", "see its owner and permissions: ls -ld")
    if not is_ours:
        raise StorageError(f"{path} is not removed: it is not a run directory of fastrun", "look at its config.yaml")


def _check_is_not_running(path: Path) -> None:
    """Check that no process of another machine has the run, which locks may not tell.

    Raises:
        InUse: one has.
    """
    if RunDir(path).status() == "running":
        host = RunDir(path).read("status.json").get("host")
        raise InUse(f"{path} is running on {host}", "wait for it, or stop it")
