"""Measure a run's network on its validation or test set."""

from __future__ import annotations

import json
from pathlib import Path

from fastrun.cli.parser import parser
from fastrun.errors import UsageError
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import is_sweep

_UNUSED = {"logger": {"_target_": None}, "callbacks": {}}  # whose secrets need not be given again


def run(arguments: list[str]) -> int:
    """Print the metrics of a checkpoint."""
    verb = parser("eval", __doc__)
    verb.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    verb.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="other values, such as data.root=…")
    verb.add_argument("--split", choices=("train", "val", "test"), default="test", help="the part to measure on (test)")
    verb.add_argument("--ckpt", default="best", metavar="CKPT", help="best, last or a path (best)")
    verb.add_argument("--json", action="store_true", help="print a JSON object")
    given = verb.parse_args(arguments)
    if is_sweep(given.run):
        raise UsageError(f"{given.run} is a sweep, not a run", "name one of the runs in it")
    directory = RunDir.open(given.run)
    from fastrun import compose
    from fastrun.training.evaluate import evaluate

    settings = compose.from_config(directory.config() | _UNUSED, given.overrides)
    checkpoint = select(directory.checkpoints, given.ckpt, settings.target.metric)
    measured = evaluate(settings, checkpoint, given.split)
    if given.json:
        print(json.dumps({"checkpoint": str(checkpoint)} | measured))
        return 0
    print(f"{'checkpoint':<11} {checkpoint}")
    for name, value in measured.items():
        print(f"{name:<11} {value:.4f}")
    return 0
