"""What saving costs: a run with a checkpoint every 50 steps beside the same run without any.

    python benchmarks/checkpoint.py [--steps N] [--device auto|cpu|cuda] [--rounds N]

resnet8 on synthetic 3x32x32, batch 128. The time is that of all steps and all checkpoints, by the run's own clock; its
one validation, at the end, is left out. The folder is the system's temporary one, or --folder.

Claim: with checkpoints at most 1.02 of the time without.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from attempt import attempt
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show

from fastrun.compose import compose
from fastrun.config.settings import CheckpointConfig, Settings

EVERY = 50


def settings_of(steps: int, device: str) -> Settings:
    data = ("data=synthetic", "data.val_fraction=0.02", "data.test_fraction=0.01", "batch.size=128", "amp=off")
    network = ("model=resnet", "model.depth=8", "model.width=16", "optimizer=nesterov")
    plan = (f"steps={steps}", f"val_every={steps}", f"checkpoint.every={EVERY}", f"device={device_option(device)}")
    return compose([*data, *network, *plan])


def seconds(settings: Settings) -> float:
    """Return the seconds of training and saving, waiting for the last file at the end included."""
    spent = attempt(settings).outcome.module.clock.state()
    return spent["train"] + spent["data_wait"] + spent["checkpoint"]


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--steps", type=int, default=3 * EVERY, help="of a run (%(default)s)")
    made.add_argument("--folder", type=Path, help="where runs lie while they are measured")
    return made.parse_args()


def main() -> None:
    asked = options()
    tempfile.tempdir = str(asked.folder) if asked.folder else None
    machine(device_of(asked.device))
    settings = settings_of(asked.steps, asked.device)
    contestants = {
        "with": partial(seconds, settings),
        "without": partial(seconds, replace(settings, checkpoint=CheckpointConfig(kind="none"))),
    }
    attempt(replace(settings, steps=EVERY, val_every=str(EVERY)))  # kernels chosen, files in the cache
    values = in_turn(contestants, asked.rounds)
    show(f"{asked.steps} steps, a checkpoint every {EVERY}", values, "without", "s")
    claim(values, "with", "without", "at most 1.02")


if __name__ == "__main__":
    main()
