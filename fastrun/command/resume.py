"""Go on with a run from its newest good checkpoint, or with a sweep; change values such as epochs=20."""

from __future__ import annotations

from pathlib import Path

from fastrun.errors import UsageError
from fastrun.parsing import parser
from fastrun.rundir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.sweep.run import exit_code


def run(arguments: list[str]) -> int:
    """Resume, unless the run is finished and nothing new is asked of it."""
    verb = parser("resume", __doc__)
    verb.add_argument("run", type=Path, metavar="RUN", help="the directory of a run, or of a sweep")
    verb.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values, such as epochs=20")
    verb.add_argument("--inexact", action="store_true", help="go on with another number of processes (device.count)")
    verb.add_argument("--failed", action="store_true", help="of a sweep: what failed or diverged, too")
    given = verb.parse_intermixed_args(arguments)  # KEY=VALUE after --failed, too
    if is_sweep(given.run):
        from fastrun.sweep import hydra_resume, resume

        way = hydra_resume if hydra_resume.is_needed(given.run) else resume
        return exit_code(way.resume(given.run, given.overrides, given.failed))
    if given.failed:
        raise UsageError(f"{given.run} is no sweep, which --failed is for", "leave it out")
    directory = RunDir.open(given.run)
    if directory.status() == "finished" and not given.overrides:
        longer = "steps" if directory.config().get("steps") else "epochs"
        print(f"{given.run} is finished; `fastrun resume {given.run} {longer}=…` would train it further")
        return 0
    from fastrun import execute, hydra_app

    settings = hydra_app.frozen(directory.config(), given.overrides)
    execute.resume(settings, directory, given.overrides, inexact=given.inexact)
    return 0
