"""The rate that ``fastrun find lr`` suggests, beside the best of a grid of nine.

    python benchmarks/find.py [--task NAME] [--seeds N] [--data FOLDER]
    python benchmarks/find.py --task mlp --task table

For each task the search runs as a user would run it. Then whole runs are trained with the suggestion and with nine
rates, half a decade apart from 1e-4 to 1, with seeds that the search has not used. The loss of a rate is the median of
their last validation losses. Half of the seeds choose the best rate of the grid, and the other half compare it with the
suggestion: with the same seeds for both, the best of nine would look better than it is. The claim is that ratio.

``--data`` has ``tinyshakespeare.txt`` and ``fashion-mnist/``, which the tasks text and fashion need.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

from measure import device_of, machine
from sklearn.datasets import load_diabetes

from fastrun.compose import compose
from fastrun.tune.find.comparison import Comparison
from fastrun.tune.find.effort import Effort
from fastrun.tune.find.isolation import isolated
from fastrun.tune.find.key import find_number
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.rate import find_rate
from fastrun.tune.find.subject import prepare

RATES = [10 ** (-4 + half / 2) for half in range(9)]
SMALL = ("model.width=64", "model.depth=2", "batch.size=32", "steps=200")  # so that 180 runs take minutes
NEW_SEEDS = 100  # after those of the search


def table(folder: Path) -> Path:
    """Write scikit-learn's diabetes data, ten columns and a number to predict, as a CSV file."""
    data, path = load_diabetes(), folder / "diabetes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "progression"])
        writer.writerows([*row, target] for row, target in zip(data.data, data.target, strict=True))
    return path


def tasks(folder: Path, data: Path) -> dict[str, list[str]]:
    """Return the overrides of each task."""
    return {
        "mlp": ["+recipe=mlp_fast"],
        "resnet": ["+recipe=resnet_amp"],
        "table": ["+recipe=table_mlp", f"data.root={table(folder)}", "data.target=progression"],
        "fashion": ["+recipe=mlp_fast", "data=fashion_mnist", f"data.root={data / 'fashion-mnist'}", "epochs=1"],
        "text": ["+recipe=text_gpt", f"data.root={data / 'tinyshakespeare.txt'}", *SMALL],
    }


def measure(name: str, overrides: list[str], seeds: int) -> None:
    """Search, then train whole runs, and print both."""
    settings = compose(overrides)
    with isolated(settings.deterministic):
        begin = perf_counter()
        subject = prepare(settings)
        found = find_rate(subject, Meter())
        seconds = perf_counter() - begin
        new = replace(subject, settings=replace(subject.settings, seed=settings.seed + NEW_SEEDS))
        number, effort = find_number(settings, "optimizer.lr"), Effort(2 * seeds, subject.plan.total_steps)
        whole = Comparison(new, effort, Meter(), number.change, number.key)
        best = min(RATES, key=lambda rate: median(whole.measure(rate).losses[:seeds]))
        losses = {rate: median(whole.measure(rate).losses[seeds:]) for rate in (best, found.best.value)}
    own = found.best.value
    print(
        f"{name:<9} {own:<8g} {losses[own]:<9.4f} {best:<8.2g} {losses[best]:<9.4f} {losses[own] / losses[best]:<7.3f}"
        f" {seconds:7.1f}   {found.steps} of {subject.plan.total_steps}",
        flush=True,
    )


def main() -> None:
    """Measure every task, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=("mlp", "resnet", "table", "fashion", "text"))
    parser.add_argument("--seeds", type=int, default=9, help="of each half (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("shared/data"))
    given = parser.parse_args()
    machine(device_of("auto"))
    print("task      found    its loss  of grid  its loss  ratio   seconds  steps of a short run")
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        for name, overrides in tasks(Path(folder), given.data.absolute()).items():
            if given.task is None or name in given.task:
                measure(name, overrides, given.seeds)


if __name__ == "__main__":
    main()
