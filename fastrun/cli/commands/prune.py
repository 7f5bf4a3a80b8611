"""Remove runs, or only their checkpoints: what is old, what failed, or what a filter finds. Asks first."""

from __future__ import annotations

import math
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastrun.cli.waiting import showing_progress, terminal_width
from fastrun.errors import FastrunError, StorageError, UsageError, nearest
from fastrun.report.ages import describe_age, to_age
from fastrun.report.filter import parse_filter
from fastrun.report.find_run import OUTPUTS
from fastrun.report.index import records
from fastrun.report.listing import describe_status, describe_training, render
from fastrun.report.location import is_study
from fastrun.report.prune.plan import Removal, emptied_sweeps, plan
from fastrun.report.prune.remove import remove, remove_if_empty, remove_sweep
from fastrun.report.record import RunRecord, read_record
from fastrun.report.study_record import study_record
from fastrun.system import streams
from fastrun.system.argument_parser import ArgumentParser

_STATUSES = "finished", "failed", "interrupted", "diverged", "killed", "unknown"
_UNITS = "kB", "MB", "GB", "TB"
_TITLES = "id", "training", "status", "age", "size"


def run(arguments: list[str]) -> int:
    """Show what would be removed, ask, and remove it."""
    given = _parser().parse_args(arguments)
    is_wanted = _condition(given)
    if not given.folder.is_dir():
        raise StorageError(f"{given.folder} is not a folder", "name the folder that outputs=… named")
    with showing_progress() as progress:
        known = records(given.folder, progress)
    chosen = _choose(list(_read_again(_choose(known, is_wanted))), is_wanted)
    removals = plan(
        chosen,
        known,
        only_checkpoints=given.checkpoints_only,
        keeps_best=not given.all_checkpoints,
        keeps_needed=not given.needed,
    )
    _say_what_stays(chosen, removals, is_needed_removed=given.needed)
    removed = [removal for removal in removals if given.needed or not removal.needed_by]
    if not removed:
        print("nothing to remove")
        return 0
    _show(removed)
    if not (given.yes or _is_confirmed(_describe(removed))):
        print("nothing is removed")
        return 0
    return _remove(removed, known, given.folder)


def _condition(given: Namespace) -> Callable[[RunRecord], bool]:
    """Return the function that says whether a run is one of those that were asked for."""
    statuses = _checked(given)
    oldest = math.inf if given.older_than is None else time.time() - to_age(given.older_than, "--older-than")
    is_wanted = parse_filter(given.filter) if given.filter is not None else lambda record: True
    return lambda record: record.updated < oldest and (not statuses or record.status in statuses) and is_wanted(record)


def _choose(found: Sequence[RunRecord], is_wanted: Callable[[RunRecord], bool]) -> list[RunRecord]:
    """Return the runs that are wanted, and those of studies and races that are wanted as a whole."""
    jobs: dict[Path, list[RunRecord]] = {}
    for record in found:
        if record.sweep is not None:
            jobs.setdefault(record.sweep, []).append(record)
    whole = {folder for folder, runs in jobs.items() if is_study(folder) and is_wanted(study_record(folder, runs))}
    return [record for record in found if record.sweep in whole or is_wanted(record)]


def _read_again(found: Sequence[RunRecord]) -> Iterator[RunRecord]:
    """Yield what the files of runs say, whatever an index does, which anybody may have written."""
    with showing_progress() as progress:
        for done, record in enumerate(found):
            if progress is not None:
                progress(done, len(found))
            yield replace(read_record(record.path, record.sweep), id=record.id)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun prune", __doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=OUTPUTS, help="the output folder (default: outputs)")
    parser.add_argument("--older-than", metavar="AGE", help="only runs that ended so long ago: 30d, 12h, 2w")
    parser.add_argument("--status", metavar="NAMES", help="only runs that ended so: failed,killed")
    parser.add_argument("--filter", metavar="TEXT", help="only runs that meet every condition, as for `fastrun runs`")
    only = "remove checkpoints but the best, and the newest of a run that has not finished; keep the rest of each run"
    parser.add_argument("--checkpoints-only", action="store_true", help=only)
    parser.add_argument("--all-checkpoints", action="store_true", help="with --checkpoints-only: the best as well")
    needed = "also what another run starts from, and single runs of a sweep or study"
    parser.add_argument("--needed", action="store_true", help=needed)
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    return parser


def _checked(given: Namespace) -> list[str]:
    """Return the statuses that were asked for.

    Raises:
        UsageError: nothing says which runs to remove, or a status does not exist.
    """
    if given.older_than is None and given.status is None and given.filter is None:
        raise UsageError(
            "prune needs to know which runs", "give --older-than 30d, --status failed,killed or --filter 'best<0.5'"
        )
    if given.all_checkpoints and not given.checkpoints_only:
        raise UsageError("--all-checkpoints goes with --checkpoints-only", "without both, whole runs are removed")
    statuses = [] if given.status is None else [name.strip() for name in given.status.split(",")]
    for name in statuses:
        if name == "running":
            raise UsageError("--status running: a run that trains is not removed", "stop it first, with SIGTERM")
        if name not in _STATUSES:
            hint = nearest(name, _STATUSES) or f"a run ends as one of {', '.join(_STATUSES)}"
            raise UsageError(f"--status {name}: no run ends so", hint)
    return statuses


def _say_what_stays(chosen: Sequence[RunRecord], removals: Sequence[Removal], *, is_needed_removed: bool) -> None:
    """Print which of the chosen runs stay, and why; and of which that are removed something else needs them."""
    for record in chosen:
        if record.status == "running":
            print(f"kept {record.id}: it is running")
    reasons = Counter(removal.needed_by for removal in removals if removal.needed_by)
    for reason, count in reasons.items():
        ids = ", ".join(removal.record.id for removal in removals if removal.needed_by == reason)
        named = ids if count <= 4 else f"{count} runs"
        print(f"{named}: {reason}" if is_needed_removed else f"kept {named}: {reason}; --needed removes it as well")


def _show(removals: Sequence[Removal]) -> None:
    """Print a line for each run, and one for all runs of a sweep or study."""
    together: dict[Path, list[Removal]] = {}
    for removal in removals:
        together.setdefault(removal.record.sweep or removal.record.path, []).append(removal)
    now = time.time()
    print(render(_TITLES, [_line(folder, members, now) for folder, members in together.items()], terminal_width()))


def _line(folder: Path, members: Sequence[Removal], now: float) -> tuple[str, ...]:
    """Return what is told of a run, or of several runs of a sweep or study."""
    records = [removal.record for removal in members]
    first, size = records[0], _describe_size(sum(removal.size for removal in members))
    age = describe_age(now - max(record.updated for record in records))
    if len(members) == 1:
        return first.id, describe_training(first), describe_status(first), age, size
    if is_study(folder):
        whole = study_record(folder, records)
        return whole.id, f"{describe_training(whole)}, {len(members)} runs", describe_status(whole), age, size
    statuses = Counter(record.status for record in records)
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return first.sweep_id or "-", f"{first.name} {len(members)} runs", counts, age, size


def _describe(removals: Sequence[Removal]) -> str:
    """Return how much is removed."""
    size = _describe_size(sum(removal.size for removal in removals))
    count = len(removals)
    runs = f"{count} run{'s' * (count > 1)}"
    files = sum(len(removal.checkpoints) for removal in removals if removal.checkpoints is not None)
    return f"{files} checkpoint{'s' * (files > 1)} of {runs}, {size}" if files else f"{runs}, {size}"


def _describe_size(size: float) -> str:
    """Return a number of bytes in a fitting unit."""
    if size < 1000:
        return f"{size:.0f} B"
    power = min(int(math.log10(size) / 3), len(_UNITS))
    return f"{size / 1000**power:.1f} {_UNITS[power - 1]}"


def _is_confirmed(what: str) -> bool:
    """Ask on the terminal whether to go on.

    Raises:
        UsageError: there is none.
    """
    if not sys.stdin.isatty():
        message = f"to remove {what} needs a yes, and there is no terminal to ask on"
        raise UsageError(message, "--yes removes without asking")
    try:
        return input(f"remove {what}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def _remove(removals: Sequence[Removal], known: Sequence[RunRecord], folder: Path) -> int:
    """Remove what is planned, whatever cannot be removed of it, and return the exit code."""
    failures: list[FastrunError] = []
    done = [removal for removal in removals if _succeeds(partial(remove, removal), failures)]
    gone = {removal.record.path for removal in done if removal.checkpoints is None}
    for sweep in emptied_sweeps(gone, known):
        _succeeds(partial(remove_sweep, sweep), failures)
    for parent in {path.parent for path in gone} | {path.parent.parent for path in gone}:
        if parent != folder and parent.is_relative_to(folder):
            remove_if_empty(parent)
    print(f"removed {_describe(done)}" if done else "nothing is removed")
    return failures[0].exit_code if failures else 0


def _succeeds(action: Callable[[], None], failures: list[FastrunError]) -> bool:
    """Do something, and say whether it was possible; print the error and keep it if not."""
    try:
        action()
    except FastrunError as error:
        streams.say_error(error.render())
        failures.append(error)
        return False
    return True
