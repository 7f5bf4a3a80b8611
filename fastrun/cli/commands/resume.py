"""Go on with a run from its newest good checkpoint, or with a sweep; change values such as epochs=20."""

from __future__ import annotations

from pathlib import Path

from fastrun.cli.parser import parser
from fastrun.errors import UsageError
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.sweep.runner import exit_code


def run(arguments: list[str]) -> int:
    """Resume, unless the run is finished and nothing new is asked of it."""
    verb = parser("resume", __doc__)
    verb.add_argument("run", type=Path, metavar="RUN", help="the directory of a run, or of a sweep")
    verb.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values, such as epochs=20")
    verb.add_argument("--inexact", action="store_true", help="go on with another number of processes (device.count)")
    verb.add_argument("--failed", action="store_true", help="of a sweep: what failed or diverged, too")
    given = verb.parse_intermixed_args(arguments)  # KEY=VALUE after --failed, too
    if is_sweep(given.run):
        from fastrun.sweep import resume_external
        from fastrun.sweep.resume import resume as resume_sweep

        is_external = resume_external.is_needed(given.run)
        records = (resume_external.resume if is_external else resume_sweep)(given.run, given.overrides, given.failed)
        return exit_code(records)
    if given.failed:
        raise UsageError(f"{given.run} is no sweep, which --failed is for", "leave it out")
    directory = RunDir.open(given.run)
    if directory.status() == "finished" and not given.overrides:
        longer = "steps" if directory.config().get("steps") else "epochs"
        print(f"{given.run} is finished; `fastrun resume {given.run} {longer}=…` would train it further")
        return 0
    from fastrun import compose
    from fastrun.run.resume import resume
    from fastrun.system.clock import process_start

    settings = compose.from_config(directory.config(), given.overrides)
    resume(settings, directory, given.overrides, started=process_start(), inexact=given.inexact)
    return 0
