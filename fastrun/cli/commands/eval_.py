"""Measure the network of a run on the validation or test set."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.redaction import redact_override
from fastrun.report.find_run import check_is_run, find_run
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.system.argument_parser import ArgumentParser

_TRAINING_ALONE = (
    "name", "outputs", "epochs", "steps", "val_every", "log_every", "optimizer", "schedule", "init", "augment", "clip",
    "early_stopping", "checkpoint", "on_divergence", "transfer", "ema", "logger", "callbacks", "sweep",
    "target.value", "target.stop",
)  # fmt: skip
_HINT = "what a measurement takes: data.…, device.…, batch.eval_size, views, amp.…, speed.…, pipeline.…"


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
    check_is_run(path, given.run)
    _check_overrides(given.overrides)
    checkpoint, metrics = _evaluate(RunDir(path), given)
    if given.json:
        print(json.dumps({"checkpoint": str(checkpoint)} | metrics))
        return 0
    print(f"{'checkpoint':<11} {checkpoint}")
    for name, value in metrics.items():
        print(f"{name:<11} {value:.4f}")
    return 0


def _check_overrides(overrides: list[str]) -> None:
    """Check that every override can change what is measured.

    Raises:
        UsageError: one is for a training alone.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if any(key == part or key.startswith(f"{part}.") for part in _TRAINING_ALONE):
            raise UsageError(f"{redact_override(override)}: nothing is trained, so {key} would change nothing", _HINT)


def _evaluate(directory: RunDir, given: Namespace) -> tuple[Path, dict[str, float]]:
    """Return the path and the metrics of a checkpoint of a run."""
    from fastrun import compose
    from fastrun.components.data.early import check_early

    settings = compose.from_config(directory.config(), given.overrides, has_trackers=False)
    checkpoint = select(directory.checkpoints, given.ckpt, settings.target.metric)
    check_early(settings.data)  # before torch, which takes seconds
    from fastrun.training.trained.evaluate import evaluate

    is_new_data = any(override.startswith("data.") for override in given.overrides)
    return checkpoint, evaluate(settings, checkpoint, given.split, is_new_data=is_new_data, anyway=given.anyway)
