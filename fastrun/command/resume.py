"""Go on with a run from its newest good checkpoint, values changed by overrides such as epochs=20."""

from __future__ import annotations

from pathlib import Path

from fastrun.parsing import parser
from fastrun.rundir import RunDir


def run(arguments: list[str]) -> int:
    """Resume, unless the run is finished and nothing new is asked of it."""
    verb = parser("resume", __doc__)
    verb.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    verb.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values, such as epochs=20")
    verb.add_argument("--inexact", action="store_true", help="go on with another number of processes (device.count)")
    given = verb.parse_args(arguments)
    directory = RunDir.open(given.run)
    if directory.status() == "finished" and not given.overrides:
        print(f"{given.run} is finished; `fastrun resume {given.run} epochs=…` would train it further")
        return 0
    from fastrun import execute, hydra_app

    settings = hydra_app.frozen(directory.config(), given.overrides)
    execute.resume(settings, directory, given.overrides, inexact=given.inexact)
    return 0
