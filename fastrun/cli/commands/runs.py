"""List the runs in the output folder: what was trained, status, best metric, time to the target, age."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from fastrun.cli.waiting import showing_progress, terminal_width
from fastrun.errors import StorageError, UsageError
from fastrun.report.filter import explain, parse_filter
from fastrun.report.find_run import OUTPUTS
from fastrun.report.index import Runs, read_runs
from fastrun.report.listing import TITLES, line_of, render
from fastrun.report.order import KEYS, ordered
from fastrun.report.record import RunRecord
from fastrun.report.study_record import with_studies
from fastrun.report.sweep_record import with_sweeps
from fastrun.system import streams
from fastrun.system.argument_parser import ArgumentParser


def run(arguments: list[str]) -> int:
    """Print a line for each run, sweep and study, the newest last, where the prompt is."""
    given = _parser().parse_args(_joined(arguments))
    if given.limit is not None and given.limit < 1:
        raise UsageError(f"--limit {given.limit} lists nothing", "use a number from 1 on")
    is_wanted = parse_filter(given.filter) if given.filter is not None else lambda record: True
    found = _read(given.folder)
    known = found.records if given.all else with_studies(found.records, given.folder)
    wanted = [record for record in known if is_wanted(record)]
    is_each = given.all or given.filter is not None
    listed = ordered(wanted if is_each else with_sweeps(wanted, given.folder), given.sort)
    if given.json:
        for record in _limited(listed, given):
            print(json.dumps(record.plain(), default=str))
    elif listed:
        _print_table(listed, given)
    elif known:
        _say_none(known, given)
    elif given.folder.exists():
        print(f"no runs in {given.folder}")
    else:
        print("no runs here yet; `fastrun train` starts one in outputs/")
    for folder in found.unreadable:
        streams.say_error(f"note: {folder} cannot be read, and may hold more runs")
    return 0


def _limited(listed: Sequence[RunRecord], given: Namespace) -> Sequence[RunRecord]:
    """Return the records that --limit leaves: the last ones, which stand first with --sort -KEY."""
    if not given.limit:
        return listed
    return listed[: given.limit] if given.sort.startswith("-") else listed[-given.limit :]


def _say_none(known: Sequence[RunRecord], given: Namespace) -> None:
    """Say that a filter finds nothing, and why, if that can be seen."""
    count = f"{len(known)} run{'s' * (len(known) != 1)}"
    print(f"none of {count} in {given.folder} is one that --filter {given.filter!r} asks for")
    hint = explain(given.filter, known)
    if hint is None and any(record.kind != "run" for record in known):
        hint = "the runs within studies are looked through with --all"
    if hint is not None:
        print(f"hint: {hint}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun runs", __doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=OUTPUTS, help="the output folder (default: outputs)")
    orders = f"{', '.join(KEYS)}: what is newest, best or fastest stands last; -KEY is the other way round"
    parser.add_argument("--sort", metavar="KEY", default="age", help=orders)
    conditions = "only runs that meet every condition: 'model=resnet best>0.9 status=failed,killed age<2d'"
    parser.add_argument("--filter", metavar="TEXT", help=conditions)
    parser.add_argument("--limit", metavar="N", type=int, help="only the last N lines; with --sort -KEY the first N")
    parser.add_argument("--all", action="store_true", help="each run of a sweep or study, not a line for all of them")
    parser.add_argument("--json", action="store_true", help="print all that is known, a JSON object for each line")
    return parser


def _joined(arguments: list[str]) -> list[str]:
    """Return the arguments with ``--sort -KEY`` as one: argparse would take ``-KEY`` for an option."""
    joined = list(arguments)
    for at in range(len(joined) - 1, 0, -1):
        if joined[at - 1] == "--sort" and joined[at].startswith("-"):
            joined[at - 1 : at + 1] = [f"--sort={joined[at]}"]
    return joined


def _read(folder: Path) -> Runs:
    """Return the runs in a folder.

    Raises:
        StorageError: there is no such folder, and it is not the default one.
    """
    if folder == OUTPUTS and not folder.exists():
        return Runs([], [])
    if not folder.is_dir():
        raise StorageError(f"{folder} is not a folder", "name the folder that outputs=… named")
    with showing_progress() as progress:
        return read_runs(folder, progress)


def _print_table(listed: Sequence[RunRecord], given: Namespace) -> None:
    shown, now = _limited(listed, given), time.time()
    print(render(TITLES, [line_of(record, now).cells() for record in shown], terminal_width()))
    which = "first" if given.sort.startswith("-") else "last"
    notes = [f"the {which} {len(shown)} of {len(listed)} lines"] if len(shown) < len(listed) else []
    kinds = {record.kind for record in listed} - {"run"}
    if kinds:
        what = "a sweep" if kinds == {"sweep"} else "a sweep or a study"
        notes.append(f"{what} is one line: --all lists its runs")
    if notes:
        print(f"\n{'; '.join(notes)}")
