"""How long ``fastrun runs`` takes with thousands of runs: whole processes, in turn.

    python benchmarks/runs.py [--runs N] [--rounds N]

listed     ``fastrun runs``, whose index knows all runs
filtered   the same with ``--filter 'optimizer.lr<0.01 seed!=3' --sort best``
changed    the same after a hundredth of the runs has changed
anew       the same without an index: every run is read
plain      a script that finds each config.yaml and parses each summary.json and status.json, and no more

The runs are copies of one that is trained first: a third of them in sweeps of 100, one in fifty failed, one in a
hundred killed. Claim: 10,000 runs are listed in less than a second.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from measure import in_turn, machine, parser, show

from fastrun.report.index_file import NAME

JOB = ("+recipe=mlp_fast", "data=digits", "device=cpu", "epochs=2", "target.value=0.9")
PLAIN = """
import json
from pathlib import Path
for config in Path("outputs").rglob("config.yaml"):
    for name in ("summary.json", "status.json"):
        if (config.parent / name).exists():
            json.loads((config.parent / name).read_text())
"""
STARTED = 1.79e9  # seconds since the epoch
JOBS = 100  # of a sweep


def seconds(folder: Path, *command: str) -> float:
    """Return the seconds that a process takes."""
    start = perf_counter()
    subprocess.run([sys.executable, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def generate(folder: Path, count: int) -> None:
    """Train a run, and copy it into a folder of many."""
    seconds(folder, "-m", "fastrun", "train", *JOB, "outputs=template")
    (template,) = folder.glob("template/*/*/")
    numbers = random.Random(0)
    for number in range(count):
        copy(template, folder / "outputs", number, numbers)
    shutil.rmtree(folder / "template")


def copy(template: Path, outputs: Path, number: int, numbers: random.Random) -> None:
    """Write one run: of a sweep, or alone; finished, failed or killed."""
    mark = f"2026-11-{1 + number // 500:02d}_{number % 24:02d}-{number % 60:02d}-00-{numbers.randrange(1 << 16):04x}"
    rate, seed, batch = f"optimizer.lr={numbers.uniform(1e-4, 1e-1):.3g}", f"seed={number % 10}", number // JOBS
    path = outputs / f"recipe_{number % 40}" / mark
    if batch % 3 == 0:
        sweep = outputs / f"recipe_{batch % 40}" / f"sweep-2026-11-{1 + batch // 10:02d}_00-00-00-{batch:04x}"
        (sweep / "ledger").mkdir(parents=True, exist_ok=True)
        (sweep / "sweep.json").write_text('{"format": 2}')
        path = sweep / f"{number % JOBS}-{rate},{seed}"
    (path / "checkpoints").mkdir(parents=True)
    for name in ("metrics.jsonl", "run.log", "data.json", "lock"):
        shutil.copyfile(template / name, path / name)
    for saved in template.glob("checkpoints/*.json"):
        shutil.copyfile(saved, path / "checkpoints" / saved.name)
    config = (template / "config.yaml").read_text().replace("  lr: 0.003\n", f"  lr: {rate.partition('=')[2]}\n")
    (path / "config.yaml").write_text(config.replace("\nseed: 0\n", f"\n{seed.replace('=', ': ')}\n"))
    (path / "overrides.yaml").write_text((template / "overrides.yaml").read_text() + f"- {rate}\n- {seed}\n")
    status = json.loads((template / "status.json").read_text()) | {"started": STARTED + 60 * number}
    status["status"] = "failed" if number % 50 == 7 else "running" if number % 100 == 11 else "finished"
    (path / "status.json").write_text(json.dumps(status | {"updated": status["started"] + 30}))
    if status["status"] == "finished":
        summary = json.loads((template / "summary.json").read_text())
        summary["best"]["value"] = numbers.uniform(0.5, 1.0)
        (path / "summary.json").write_text(json.dumps(summary, indent=2))


def main() -> None:
    options = argparse.ArgumentParser(parents=[parser(__doc__)], add_help=False)
    options.add_argument("--runs", type=int, default=10_000, help="runs to list (default: 10,000)")
    given = options.parse_args()
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name)
        generate(folder, given.runs)
        statuses = sorted(folder.glob("outputs/**/status.json"))[::100]
        runs = ("-m", "fastrun", "runs")

        def changed() -> float:
            for status in statuses:
                status.write_text(status.read_text())
            return seconds(folder, *runs)

        def anew() -> float:
            (folder / "outputs" / NAME).unlink(missing_ok=True)
            return seconds(folder, *runs)

        anew()
        values = in_turn(
            {
                "listed": lambda: seconds(folder, *runs),
                "filtered": lambda: seconds(folder, *runs, "--filter", "optimizer.lr<0.01 seed!=3", "--sort", "best"),
                "changed": changed,
                "anew": anew,
                "plain": lambda: seconds(folder, "-c", PLAIN),
            },
            given.rounds,
        )
        show(f"{given.runs:,} runs", values, "plain", "seconds")
        print(f"  listed: {median(values['listed']):.2f} s (should be at most 1 s for 10,000)")


if __name__ == "__main__":
    main()
