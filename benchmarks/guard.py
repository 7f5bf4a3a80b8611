"""What it costs to look at every loss and gradient before the optimizer does: a step with the guard and without.

    python benchmarks/guard.py [--case mlp|resnet|all] [--device auto|cpu|cuda] [--rounds N] [KEY=VALUE ...]

The networks of ``step.py``. Without the guard neither the kernel that looks nor the reading of its flag is called; on a
GPU the optimizer's kernels still have a flag to heed. The second half of a run's steps counts, by its own clock. What
the guard costs is less than what two runs differ by on most machines, so the share of a run's training that the host
spends in the guard is printed, too; on a GPU that is the time to queue its kernels.

Claim: a resnet's step takes at most 1.01 of the time, and the share is at most 1 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial, wraps
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show
from step import CASES, SMALL_VAL

from fastrun.components.on_divergence.nan_guard import NanGuard
from fastrun.compose import compose
from fastrun.config.settings import Settings


def guarded(settings: Settings, steps: int, shares: list[float]) -> float:
    spent = 0.0

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def within(*arguments: Any) -> Any:
            nonlocal spent
            begin = perf_counter()
            result = method(*arguments)
            spent += perf_counter() - begin
            return result

        return within

    with patch.object(NanGuard, "check", timed(NanGuard.check)), patch.object(NanGuard, "flags", timed(NanGuard.flags)):
        lines = attempt(halves(settings, steps)).lines
    shares.append(spent / lines[-1]["train_seconds"])
    return 1e3 * seconds_of_second_half(lines) / steps


def unguarded(settings: Settings, steps: int) -> float:
    def nothing(*_: Any) -> None:
        """Look away."""

    def zeros(guard: NanGuard, _: Any) -> torch.Tensor:
        return torch.zeros(2, device=guard.found_inf.device)

    with patch.object(NanGuard, "check", nothing), patch.object(NanGuard, "flags", zeros):
        return 1e3 * seconds_of_second_half(attempt(halves(settings, steps)).lines) / steps


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--case", choices=(*CASES, "all"), default="all", help="(%(default)s)")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to fastrun's config")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(device_of(asked.device))
    for name in CASES if asked.case == "all" else [asked.case]:
        case, shares = CASES[name], list[float]()
        fixed = ("data=synthetic", *SMALL_VAL, "checkpoint=none", f"device={device_option(asked.device)}", "amp=off")
        settings = compose([*fixed, *case.overrides, *asked.overrides])
        contestants = {
            "guarded": partial(guarded, settings, case.steps, shares),
            "unguarded": partial(unguarded, settings, case.steps),
        }
        values = in_turn(contestants, asked.rounds)
        show(f"step of {name}, batch {settings.batch.size}", values, "unguarded", "ms a step")
        claim(values, "guarded", "unguarded", "at most 1.01" if name == "resnet" else "as near to 1 as can be")
        print(f"  the guard's share of training: {median(shares):.3%}")


if __name__ == "__main__":
    main()
