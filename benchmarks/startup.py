"""How long a command takes to start: whole processes, in turn.

    python benchmarks/startup.py [--rounds N]

help        ``fastrun --help``, beside a Python that does nothing
cfg job     ``fastrun train --cfg job``, beside an empty Hydra app with as many groups
first step  from the start of the process to the first optimizer step of a small dense network on digits, as
            summary.json's clock.startup has it, beside importing torch and pytorch_lightning and composing the config

Claims: help at most 0.2 s; cfg job at most 1.5 times the empty app; first step at most 1.25 times the bare imports.
All of it with files in the system's cache: one round that is not counted goes first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from measure import Values, claim, in_turn, machine, parser, show

from fastrun.config.paths import shipped

FASTRUN = (sys.executable, "-m", "fastrun")
FIRST_STEP = ("+recipe=mlp_fast", "data=digits", "device=cpu", "steps=1", "checkpoint=none")
BARE = f"""
import time
import torch, pytorch_lightning
from fastrun.system.clock import process_start
from fastrun.compose import compose
compose({list(FIRST_STEP)})
print(time.time() - process_start())
"""
EMPTY_APP = """
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config):
    pass

main()
"""


def empty_app(folder: Path) -> Path:
    """Write a Hydra app with as many groups as fastrun has, each with one option of one key."""
    names = [group.name for group in shipped("conf").iterdir() if group.is_dir()]
    for name in names:
        (folder / "conf" / name).mkdir(parents=True)
        (folder / "conf" / name / "one.yaml").write_text("key: 1\n")
    defaults = "".join(f"  - {name}: one\n" for name in names)
    (folder / "conf" / "train.yaml").write_text(f"defaults:\n{defaults}  - _self_\n")
    app = folder / "app.py"
    app.write_text(EMPTY_APP)
    return app


def process(folder: Path, *command: str) -> float:
    """Return the seconds that a whole process takes."""
    start = perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return perf_counter() - start


def bare_imports(folder: Path) -> float:
    """Return the seconds from the start of a process until it has imported and composed."""
    done = subprocess.run([sys.executable, "-c", BARE], cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout)


def first_step(folder: Path) -> float:
    """Return the seconds from the start of a process to its first optimizer step."""
    with tempfile.TemporaryDirectory(dir=folder) as outputs:
        process(folder, *FASTRUN, "train", *FIRST_STEP, f"outputs={outputs}")
        (summary,) = Path(outputs).glob("*/*/summary.json")
        return float(json.loads(summary.read_text())["clock"]["startup"])


def measured(folder: Path, rounds: int) -> Values:
    contestants = {
        "help": partial(process, folder, *FASTRUN, "--help"),
        "python": partial(process, folder, sys.executable, "-c", "pass"),
        "cfg job": partial(process, folder, *FASTRUN, "train", "--cfg", "job"),
        "empty app": partial(process, folder, sys.executable, str(empty_app(folder)), "--cfg", "job"),
        "first step": partial(first_step, folder),
        "bare imports": partial(bare_imports, folder),
    }
    in_turn(contestants, 1)
    return in_turn(contestants, rounds)


def options() -> argparse.Namespace:
    return parser(__doc__).parse_args()


def main() -> None:
    asked = options()
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        values = measured(Path(folder), asked.rounds)
    for name, base in (("help", "python"), ("cfg job", "empty app"), ("first step", "bare imports")):
        show(name, {name: values[name], base: values[base]}, base, "s")
    print()
    print(f"  help: {median(values['help']):.3f} s (should be at most 0.2 s)")
    claim(values, "cfg job", "empty app", "at most 1.5")
    claim(values, "first step", "bare imports", "at most 1.25")


if __name__ == "__main__":
    main()
