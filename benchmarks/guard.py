"""What it costs to look at every loss and gradient before the optimizer does: a step with the guard and without.

    python benchmarks/guard.py [--case mlp|resnet|all] [--device auto|cpu|cuda] [--rounds N] [KEY=VALUE ...]

The networks of ``step.py``. Without the guard neither the kernel that looks nor the reading of its flag is called; on a
GPU the optimizer's kernels still have a flag to heed. The second half of a run's steps counts, by its own clock.

Claim: a resnet's step takes at most 1.01 of the time.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show
from step import CASES, SMALL_VAL

from fastrun.guard import Guard
from fastrun.hydra_app import compose
from fastrun.settings import Settings


def milliseconds(settings: Settings, steps: int) -> float:
    return 1e3 * seconds_of_second_half(attempt(halves(settings, steps)).lines) / steps


def unguarded(settings: Settings, steps: int) -> float:
    def nothing(*_: Any) -> None:
        """Look away."""

    def zeros(guard: Guard, _: Any) -> torch.Tensor:
        return torch.zeros(2, device=guard.found.device)

    with patch.object(Guard, "look", nothing), patch.object(Guard, "unread", zeros):
        return milliseconds(settings, steps)


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--case", choices=(*CASES, "all"), default="all", help="(%(default)s)")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to fastrun's config")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(device_of(asked.device))
    for name in CASES if asked.case == "all" else [asked.case]:
        case = CASES[name]
        fixed = ("data=synthetic", *SMALL_VAL, "checkpoint=none", f"device={device_option(asked.device)}", "amp=off")
        settings = compose([*fixed, *case.overrides, *asked.overrides])
        contestants = {
            "guarded": partial(milliseconds, settings, case.steps),
            "unguarded": partial(unguarded, settings, case.steps),
        }
        values = in_turn(contestants, asked.rounds)
        show(f"step of {name}, batch {settings.batch.size}", values, "unguarded", "ms a step")
        claim(values, "guarded", "unguarded", "at most 1.01" if name == "resnet" else "as near to 1 as can be")


if __name__ == "__main__":
    main()
