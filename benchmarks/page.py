"""How long ``fastrun report SWEEP`` takes with many long runs, and how large its page is: whole processes, in turn.

    python benchmarks/page.py [--runs N] [--steps N] [--rounds N]

page     ``fastrun report`` of the sweep
plain    a script that parses every line of every metrics.jsonl, and no more

The runs are copies of one that is trained first, with so many noisy lines in each metrics.jsonl. Claim: a page of 100
runs of 10,000 steps is written in less than 3 s and has less than 3 MB.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from measure import in_turn, machine, parser, show

from fastrun.storage.format import FORMAT
from fastrun.storage.job import JobRecord, sha256_of
from fastrun.sweep.ledger import Ledger

JOB = ("+recipe=mlp_fast", "data=digits", "device=cpu", "epochs=1", "outputs=template")
VALIDATIONS = 20  # of a run
PLAIN = """
import json
from pathlib import Path
for path in Path("sweep").glob("*/metrics.jsonl"):
    for line in path.open():
        json.loads(line)
"""


def seconds(folder: Path, *command: str) -> float:
    """Return the seconds that a process takes."""
    start = perf_counter()
    subprocess.run([sys.executable, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def lines(steps: int, seed: int) -> Iterator[dict[str, float]]:
    """Yield the lines of a metrics.jsonl."""
    noise = random.Random(seed)
    for step in range(1, steps + 1):
        at = {"step": step, "epoch": step / 100, "train_seconds": round(step * 0.0043, 6)}
        yield at | {"train/loss": 2.3 * math.exp(noise.gauss(-4 * step / steps, 0.25)), "lr": 0.001}
        if step % max(1, steps // VALIDATIONS) == 0:
            yield at | {"val/loss": 1.0, "val/acc": 0.9 - noise.random() / step}


def generate(folder: Path, runs: int, steps: int) -> None:
    """Train a run, and make a sweep of copies of it."""
    seconds(folder, "-m", "fastrun", "train", *JOB)
    (template,) = folder.glob("template/*/*/")
    ledger = Ledger(folder / "sweep")
    ledger.path.mkdir(parents=True)
    (ledger.folder / "sweep.json").write_text(json.dumps({"format": FORMAT, "arguments": [], "jobs": []}))
    for number in range(runs):
        own = [f"optimizer.lr={0.001 * (number + 1):g}", f"seed={number % 5}"]
        record = JobRecord(number, own, [*JOB, *own], {}, sha256_of({}), f"{number}-run", state="finished")
        ledger.write(record)
        run = shutil.copytree(template, ledger.folder / record.folder)
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(steps, number)))


def main() -> None:
    options = argparse.ArgumentParser(parents=[parser(__doc__)], add_help=False)
    options.add_argument("--runs", type=int, default=100, help="runs of the sweep (default: 100)")
    options.add_argument("--steps", type=int, default=10_000, help="steps of each (default: 10,000)")
    given = options.parse_args()
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        generate(folder, given.runs, given.steps)
        contestants = {
            "page": lambda: seconds(folder, "-m", "fastrun", "report", "sweep"),
            "plain": lambda: seconds(folder, "-c", PLAIN),
        }
        values = in_turn(contestants, given.rounds)
        size = (folder / "sweep/report.html").stat().st_size / 1e6
    show(f"{given.runs} runs of {given.steps:,} steps", values, "plain", "seconds")
    print(f"  page: {median(values['page']):.2f} s, {size:.2f} MB (should be at most 3 s and 3 MB)")


if __name__ == "__main__":
    main()
