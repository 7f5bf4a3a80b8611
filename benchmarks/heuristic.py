"""What a heuristic costs a step of a resnet: the same run with it and without.

    python benchmarks/heuristic.py [--steps N] [--device auto|cpu|cuda] [--amp off|bf16] [--rounds N]

resnet8 on synthetic 3x32x32, batch 128, as in ``step.py --case resnet``; each heuristic alone, augmentation without the
shifts and mirrors that its option has beside it. The second half of a run's steps counts, by its own training clock.

Claim: adaptive gradient clipping, an average of the weights, mixup and label smoothing take at most 1.05 of the time.
"""

from __future__ import annotations

import argparse
from functools import partial

from attempt import attempt, halves, seconds_of_second_half
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show

from fastrun.compose import compose
from fastrun.config.settings import Settings

RESNET = ("data=synthetic", "data.samples=16000", "data.val_fraction=0.02", "data.test_fraction=0.01", "batch.size=128")
NETWORK = ("model=resnet", "model.depth=8", "model.width=16", "optimizer=nesterov", "checkpoint=none")
HEURISTICS = {
    "none": (),
    "clip=agc": ("clip=agc",),
    "ema=ema": ("ema=ema",),
    "augment=mixup": ("augment=mixup", "augment.pad=0", "augment.flip=none"),
    "label smoothing": ("loss=cross_entropy", "loss.label_smoothing=0.1"),
}


def settings_of(asked: argparse.Namespace, heuristic: tuple[str, ...]) -> Settings:
    return compose([*RESNET, *NETWORK, f"device={device_option(asked.device)}", f"amp={asked.amp}", *heuristic])


def milliseconds(settings: Settings, steps: int) -> float:
    return 1e3 * seconds_of_second_half(attempt(halves(settings, steps)).lines) / steps


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--steps", type=int, default=30, help="that count, of a run (%(default)s)")
    made.add_argument("--amp", choices=("off", "bf16"), default="off", help="(%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(device_of(asked.device))
    contestants = {
        name: partial(milliseconds, settings_of(asked, own), asked.steps) for name, own in HEURISTICS.items()
    }
    values = in_turn(contestants, asked.rounds)
    show("step of a resnet", values, "none", "ms a step")
    for name in HEURISTICS:
        if name != "none":
            claim(values, name, "none", "at most 1.05")


if __name__ == "__main__":
    main()
