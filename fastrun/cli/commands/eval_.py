"""Measure the network of a run on the validation or test set."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from fastrun.cli.training import UNUSED
from fastrun.errors import UsageError
from fastrun.report.find_run import find_run
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep
from fastrun.system.argument_parser import ArgumentParser


def run(arguments: list[str]) -> int:
    """Print the metrics of a checkpoint."""
    parser = ArgumentParser("fastrun eval", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run: its directory, `latest`, `best`, an id …")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values; data.root=… is other data")
    parser.add_argument("--split", choices=("train", "val", "test"), help="the split (default: test)")
    parser.add_argument("--anyway", action="store_true", help="measure though the data of the run has changed")
    parser.add_argument("--ckpt", default="best", metavar="CKPT", help="best, last or a path (default: best)")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    given = parser.parse_intermixed_args(arguments)
    path = find_run(given.run)
    if is_sweep(path):
        raise UsageError(f"{given.run} is a sweep, not a run", "name one of the runs in it")
    checkpoint, metrics = _evaluate(RunDir.open(path), given)
    if given.json:
        print(json.dumps({"checkpoint": str(checkpoint)} | metrics))
        return 0
    print(f"{'checkpoint':<11} {checkpoint}")
    for name, value in metrics.items():
        print(f"{name:<11} {value:.4f}")
    return 0


def _evaluate(directory: RunDir, given: Namespace) -> tuple[Path, dict[str, float]]:
    """Return the path and the metrics of a checkpoint of a run."""
    from fastrun import compose
    from fastrun.components.data.early import check_early

    settings = compose.from_config(directory.config() | UNUSED, given.overrides)
    checkpoint = select(directory.checkpoints, given.ckpt, settings.target.metric)
    check_early(settings.data)  # before torch, which takes seconds
    from fastrun.training.evaluate import evaluate

    is_new_data = any(override.startswith("data.") for override in given.overrides)
    return checkpoint, evaluate(settings, checkpoint, given.split, is_new_data=is_new_data, anyway=given.anyway)
