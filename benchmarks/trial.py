"""What choosing settings costs a run, and what two runs at once cost each other.

    python benchmarks/trial.py [--rounds N]

For a run of a minute, and for one of two seconds that follows it, the settings are chosen as in ``fastrun train``: the
first with nothing known on the machine, the second with what the first one left. Then ``resnet_amp`` is trained alone,
and twice at once, as two calls of ``fastrun train``.

Claims: choosing takes at most 3 % of the run of a minute and at most 1 % of that of two seconds; two copies at once
take at most 2.5 times as long as one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from auto import cases, chosen, milliseconds, settings_of
from measure import claim, in_turn, machine, parser, show

from fastrun.config.settings import Settings
from fastrun.training.builders.setup import set_up
from fastrun.tune.auto.choose import choose

MINUTE, SHORT = 60.0, 2.0  # seconds of training
COPY = ("+recipe=resnet_amp", "early_stopping=none", "epochs=12", "checkpoint=none", "device=cpu")


def lasting(settings: Settings, seconds: float, step: float) -> Settings:
    """Return the settings of a run that trains for some seconds, where a step takes so many milliseconds."""
    return replace(settings, steps=round(1e3 * seconds / step))


def share_of_choosing(settings: Settings, seconds: float) -> float:
    """Return the share of a run's training that choosing its settings takes, in percent."""
    setup = set_up(settings)
    begin = perf_counter()
    choose(settings, setup)
    return 100 * (perf_counter() - begin) / seconds


def copies(count: int, folder: Path) -> float:
    """Return the seconds until as many runs that start together have ended."""
    begin = perf_counter()
    command = [sys.executable, "-m", "fastrun", "train", *COPY, f"outputs={folder}"]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    if any(run.wait() for run in runs):
        sys.exit("a run failed")
    return perf_counter() - begin


def main() -> None:
    asked = parser(__doc__).parse_args()
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        for label in ("dense", "resnet_amp"):
            case = cases(Path(), None, folder)[label]
            os.environ["FASTRUN_CACHE"] = str(folder / "before")
            settings = settings_of(case)
            step = milliseconds(chosen(settings), case.steps)
            minute, short = [], []
            for number in range(asked.rounds):
                os.environ["FASTRUN_CACHE"] = str(folder / f"{label}-{number}")
                minute.append(share_of_choosing(lasting(settings, MINUTE, step), MINUTE))
                short.append(share_of_choosing(lasting(settings, SHORT, step), SHORT))
            print(f"\n{label}: choosing takes {median(minute):.2f} % of a run of a minute (should be at most 3)")
            print(f"  and {median(short):.2f} % of a run of two seconds that follows (should be at most 1)", flush=True)
        os.environ["FASTRUN_CACHE"] = str(folder / "copies")
        copies(1, folder)  # measures
        values = in_turn({"one": partial(copies, 1, folder), "two": partial(copies, 2, folder)}, asked.rounds)
        show("resnet_amp, start to end", values, "one", "s")
        claim(values, "two", "one", "at most 2.5")


if __name__ == "__main__":
    main()
