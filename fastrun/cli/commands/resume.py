"""Resume a run from its newest good checkpoint, a sweep, a study or a race; values such as epochs=20 may change."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.report.find_run import check_is_run, find_run
from fastrun.report.location import is_race, is_study
from fastrun.storage.links import check_no_links
from fastrun.storage.lock import locked_ahead
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.sweep.runner import exit_code
from fastrun.system.argument_parser import ArgumentParser


def run(arguments: list[str]) -> int:
    """Resume a run or a sweep."""
    parser = ArgumentParser("fastrun resume", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run or a sweep: its directory, `latest`, an id …")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values, such as epochs=20")
    parser.add_argument(
        "--failed", action="store_true", help="of a sweep or a study: run jobs that failed or diverged again"
    )
    parser.add_argument("--anyway", action="store_true", help="go on though the data has changed")
    given = parser.parse_intermixed_args(arguments)  # KEY=VALUE may follow --failed
    path = find_run(given.run, takes_sweeps=True)
    if is_study(path):
        return _resume_study(path, given)
    if is_sweep(path):
        return _resume_sweep(path, given)
    check_is_run(path, given.run)
    if given.failed:
        raise UsageError(f"--failed is for sweeps, and {given.run} is not a sweep", "leave --failed out")
    return _resume_run(path, given)


def _resume_sweep(path: Path, given: Namespace) -> int:
    with locked_ahead(path):
        from fastrun.sweep import resume, resume_external

        has_launcher = any(text.startswith("hydra/launcher=") for text in given.overrides)
        is_external = has_launcher or resume_external.is_needed(path)
        resume_jobs = resume_external.resume if is_external else resume.resume
        return exit_code(resume_jobs(path, given.overrides, given.failed))


def _resume_study(path: Path, given: Namespace) -> int:
    """Go on with a study, with another budget if one is given, or with a race, whose runs stay as they are.

    Raises:
        UsageError: something else is to change.
    """
    place = "hydra/launcher=", "hydra.launcher.", "+hydra.launcher."
    may = place if is_race(path) else ("study.budget=", *place)
    other = [text for text in given.overrides if not text.startswith(may)]
    if other or given.anyway:
        what = next(iter(other), "--anyway")
        changes = "where it runs" if is_race(path) else "study.budget and where it runs"
        hint = f"leave it out, or start another; only {changes} (hydra/launcher=…) may change"
        raise UsageError(f"{what}: a {'race' if is_race(path) else 'study'} goes on as it was planned", hint)
    with locked_ahead(path):
        if is_race(path):
            from fastrun.cli.commands.race import resume

            return resume(path, given.overrides, with_failed=given.failed)
        from fastrun.cli.commands.ablate import show
        from fastrun.study.ablate import go_on

        show(go_on(path, given.overrides, with_failed=given.failed))
    return 0


def _resume_run(path: Path, given: Namespace) -> int:
    """Resume a run, unless it is finished and no value changes."""
    directory = RunDir.open(path)
    if directory.status() == "finished" and not given.overrides:
        key = "steps" if directory.config().get("steps") else "epochs"
        print(f"{path} is finished; `fastrun resume {path} {key}=…` trains it further")
        return 0
    check_no_links(directory.checkpoints)
    with locked_ahead(path):
        from fastrun import compose
        from fastrun.run.resume import resume
        from fastrun.system.clock import process_start

        settings = compose.from_config(directory.config(), given.overrides)
        started = process_start()
        resume(settings, directory, given.overrides, started=started, anyway=given.anyway)
    return 0
