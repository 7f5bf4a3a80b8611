"""Watch a run or a sweep while it trains: progress, metrics, curves, both clocks; Ctrl-C ends the watch alone."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fastrun.report.study_state import StudyState
from fastrun.report.watch.loop import watch
from fastrun.report.watch.run_frame import run_frame
from fastrun.report.watch.run_state import RunState
from fastrun.report.watch.subject import find_subject
from fastrun.report.watch.sweep_frame import sweep_frame
from fastrun.report.watch.sweep_state import SweepState
from fastrun.sweep.ledger import is_sweep
from fastrun.system.argument_parser import ArgumentParser

_PIPE_SIZE = 100, 40  # columns and lines where standard output is no terminal


def run(arguments: list[str]) -> int:
    """Show a run or a sweep until it ends; once, where standard output is no terminal."""
    parser = ArgumentParser("fastrun watch", __doc__)
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run or a sweep (default: the latest that runs)")
    parser.add_argument("--once", action="store_true", help="print how it stands now, and end")
    given = parser.parse_args(arguments)
    path = find_subject(given.run)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_SIZE[0], height=_PIPE_SIZE[1])
    is_live = console.is_terminal and not given.once
    has_ended = _watch_sweep(path, console, is_live) if is_sweep(path) else _watch_run(path, console, is_live)
    if is_live and not has_ended:
        console.print(
            f"the watch has ended, what was watched goes on: fastrun watch {path}", markup=False, soft_wrap=True
        )
    return 0


def _watch_run(path: Path, console: Console, is_live: bool) -> bool:
    state = RunState(path)
    return watch(state, lambda: run_frame(state, console), console, once=not is_live)


def _watch_sweep(path: Path, console: Console, is_live: bool) -> bool:
    """Watch a sweep; its end shows the commands that run what has not finished."""
    from fastrun.sweep.table import next_commands

    state = SweepState(path)
    has_ended = watch(state, lambda: sweep_frame(state, console), console, once=not is_live)
    lines = next_commands(state.folder, list(state.jobs.values())) if has_ended else []
    if has_ended and state.study is not None:
        lines = _commands_of_study(state.study)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    return has_ended


def _commands_of_study(study: StudyState) -> list[str]:
    """Return how to see what came out of a study that has ended, or how to go on with it."""
    if study.status == "finished":
        return [f"what came out: fastrun report {study.folder}"]
    if study.status == "failed":
        return [f"refused: {study.reason}"]
    return [f"go on with: fastrun resume {study.folder}"]
