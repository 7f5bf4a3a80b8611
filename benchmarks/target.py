"""Time to target of a recipe over many seeds.

    python benchmarks/target.py RECIPE [KEY=VALUE ...] [--seeds N] [--test ACCURACY]
    python benchmarks/target.py mlp_fast target.value=0.97 --seeds 10
    python benchmarks/target.py digits_fast --test 0.98

Runs seeds 0 to N-1 one after another through ``fastrun.train`` and prints when each reached ``target.value``, by both
clocks of a run: training alone, and the wall, which also counts loading the data, building the network, validating and
saving. Importing is in neither: a short run that does not count goes first. With ``--test`` runs go to their end and
their last checkpoint is measured on the test set, which no run looks at: so many got there, after so much training.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from statistics import mean, median
from typing import Any

import torch
from measure import machine, number, spread

import fastrun
from fastrun.errors import FastrunError
from fastrun.training.trained.evaluate import evaluate

ROWS = {
    "seconds of training": "train_seconds",
    "seconds on the wall": "wall_seconds",
    "steps": "steps",
}


def one(recipe: str, overrides: list[str]) -> dict[str, Any]:
    """Return the summary of a run."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as outputs:
        return fastrun.train([f"+recipe={recipe}", *overrides, f"outputs={outputs}"], quiet=True).summary


def tested(recipe: str, overrides: list[str]) -> dict[str, float]:
    """Return the test accuracy that a run ends with, and what its training and all of it took."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as outputs:
        run = fastrun.train([f"+recipe={recipe}", *overrides, f"outputs={outputs}"], quiet=True)
        newest = max((run.directory / "checkpoints").glob("*.ckpt"))
        clock = run.summary["clock"]
        return {
            "test accuracy": evaluate(run.settings, newest, "test")["test/acc"],
            "seconds of training": clock["train"] + clock["data_wait"],
            "seconds on the wall": clock["total"],
        }


def show_tested(runs: list[dict[str, float]], least: float) -> None:
    """Print the share of runs that are at an accuracy or past it, and what they took."""
    accuracies = [run["test accuracy"] for run in runs]
    count = sum(accuracy >= least for accuracy in accuracies)
    print(f"  {count} of {len(runs)} reached {least:g} on the test set; mean {mean(accuracies):.4f}")
    for label in runs[0]:
        values = [run[label] for run in runs]
        low, high = spread(values)
        print(f"  {label:<20}  median {number(median(values)):>8}  quartiles {number(low)} .. {number(high)}")


def show(runs: list[dict[str, Any]]) -> None:
    """Print the share that reached the target, and when."""
    targets = [run["target"] for run in runs]
    reached = [target for target in targets if target["reached"]]
    metric, value = targets[0]["metric"], targets[0]["value"]
    print(f"  {len(reached)} of {len(runs)} reached {metric} {value:g} ({len(reached) / len(runs):.0%})")
    best = [run["best"]["value"] for run in runs if run["best"]]
    rows = {label: [target[key] for target in reached] for label, key in ROWS.items()} if reached else {}
    for label, values in (rows | {f"best {metric}": best}).items():
        low, high = spread(values)
        print(f"  {label:<20}  median {number(median(values)):>8}  quartiles {number(low)} .. {number(high)}")
    if reached:
        print("  of those that reached it" if len(reached) < len(runs) else "  all runs counted")


def options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("recipe")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to the recipe")
    made.add_argument("--seeds", type=int, default=10, help="how many (%(default)s)")
    made.add_argument("--test", type=float, metavar="ACCURACY", help="measure on the test set at the end")
    return made.parse_intermixed_args()


def main() -> int:
    asked = options()
    try:
        trial = one(asked.recipe, [*asked.overrides, "steps=1"])
        if asked.test is None and trial["target"]["value"] is None:
            print(f"{asked.recipe} has no target: add target.value=0.97, say", file=sys.stderr)
            return 2
        machine(torch.device(trial["hardware"]["device"]))
        print(f"\n{asked.recipe} {' '.join(asked.overrides)}: {asked.seeds} seeds")
        seeds = [[*asked.overrides, f"seed={seed}"] for seed in range(asked.seeds)]
        if asked.test is None:
            show([one(asked.recipe, overrides) for overrides in seeds])
        else:
            show_tested([tested(asked.recipe, overrides) for overrides in seeds], asked.test)
    except FastrunError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
