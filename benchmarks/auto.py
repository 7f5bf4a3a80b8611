"""Whether the settings that a run chooses for itself are the fastest: against all by hand, and beside busy neighbors.

    python benchmarks/auto.py [--case NAME|all] [--root FOLDER] [--images FOLDER] [--rounds N] [--json FILE]
                              [--busy-only | --quiet-only]

Each case is trained with its default settings, after a trial as long as that of a run of a minute, and with every
combination of threads, precision and layout by hand, in turns. Luck has a part in which of these is the fastest, so
it and the default take turns once more, and that ratio is the one that counts. Then the dense net and the resnet are
trained with their default settings on the quiet machine, and beside two processes that keep both cores busy.

Claims: the default takes at most 1.05 of the time of the best by hand in each case, and at most 1.02 in the geometric
mean; beside two busy processes it takes at least 0.3 of the steps that it takes on the quiet machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import ROUNDS, Values, in_turn, machine, parser, ratio, show

from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.system.cores import allowed_cores, wait_briefly
from fastrun.training.builders.setup import set_up
from fastrun.tune.auto.choose import measure
from fastrun.tune.auto.dimensions import with_choice

TRIAL_SECONDS = 1.8  # 3 % of a run of a minute


@dataclass(frozen=True)
class Case:
    """A training, and the steps that are timed."""

    overrides: tuple[str, ...]
    steps: int
    has_images: bool = False


def cases(root: Path, images: Path | None, folder: Path) -> dict[str, Case]:
    """Return the cases; that of an image folder only if there is one."""
    fashion, text = f"data.root={root / 'fashion-mnist'}", f"data.root={root / 'tinyshakespeare.txt'}"
    resnet = ("+recipe=resnet_amp", "early_stopping=none")
    table = ("+recipe=table_mlp", f"data.root={a_table(folder / 'table.csv')}", "data.target=y")
    found = {
        "dense": Case(("+recipe=mlp_fast", "model.hidden=[128]"), 600),
        "resnet_amp": Case(resnet, 60, True),
        "table_mlp": Case(table, 300),
        "fashion_fast": Case(("+recipe=fashion_fast", fashion), 15, True),
        "resnet20": Case((*resnet, "model.depth=20", "data=fashion_mnist", fashion), 15, True),
        "text_gpt": Case(("+recipe=text_gpt", text), 8),
        "text_lstm": Case(("+recipe=text_lstm", text), 8),
    }
    if images is not None:
        files = ("data=image_folder", f"data.root={images}", "data.size=64", "augment=none")
        found["images"] = Case((*resnet, *files), 15, True)
    return found


def a_table(path: Path) -> Path:
    """Write a table of 4,000 rows and twelve columns, whose target is a sum of some of them."""
    values = torch.randn(4000, 12, generator=torch.Generator().manual_seed(0))
    table = torch.cat([values, values[:, :4].sum(1, keepdim=True).tanh()], 1)
    lines = [",".join([*(f"x{number}" for number in range(12)), "y"])]
    lines += [",".join(f"{value:.5f}" for value in row) for row in table.tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path


def by_hand(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every combination of settings."""
    threads, layouts = sorted({1, allowed_cores()}), (True, False) if case.has_images else (None,)
    for count, amp, layout in product(threads, ("off", "bf16"), layouts):
        name = f"threads={count} amp={amp}" + ("" if layout is None else f" channels_last={str(layout).lower()}")
        yield name, {"speed.threads": count, "amp.kind": amp, "speed.channels_last": layout, "speed.trial_seconds": 0.0}


def milliseconds(settings: Settings, steps: int) -> float:
    """Return the time of a step."""
    return 1e3 * seconds_of_second_half(attempt(halves(settings, steps)).lines) / steps


def chosen(settings: Settings) -> Settings:
    """Return the settings that a run of a minute chooses."""
    answer = measure(settings, set_up(settings), TRIAL_SECONDS)
    assert answer is not None
    print(f"  chosen: {answer.choice}")
    return with_choice(settings, answer.choice)


def settings_of(case: Case) -> Settings:
    return compose([*case.overrides, "checkpoint=none", "device=cpu"])


def against_hand(name: str, case: Case, rounds: int) -> float:
    """Print and return the ratio of the default to the best by hand."""
    settings = settings_of(case)
    contestants: dict[str, Callable[[], float]] = {"default": partial(milliseconds, chosen(settings), case.steps)}
    for label, choice in by_hand(case):
        contestants[label] = partial(milliseconds, with_choice(settings, choice), case.steps)
    values = in_turn(contestants, rounds)
    best = min((label for label in values if label != "default"), key=lambda label: median(values[label]))
    show(name, values, best, "ms a step")
    confirmed = in_turn({label: contestants[label] for label in ("default", best)}, max(rounds, ROUNDS))
    show(f"{name}: the fastest of them by hand, once more", confirmed, best, "ms a step")
    return ratio(confirmed, "default", best)


def _burn() -> None:
    while True:
        pass


@contextmanager
def neighbors(count: int) -> Iterator[None]:
    """Keep as many cores busy by other processes for the time of a block."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_burn, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def beside_neighbors(case: Case, rounds: int) -> Values:
    """Return milliseconds of a step with default settings, on the quiet machine and beside two busy processes."""
    settings = chosen(settings_of(case))

    def busy() -> float:
        with neighbors(2):
            return milliseconds(settings, case.steps)

    return in_turn({"quiet": partial(milliseconds, settings, case.steps), "busy": busy}, rounds)


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--case", default="all", help="(%(default)s)")
    made.add_argument(
        "--root", type=Path, default=Path("../shared/data"), help="Fashion-MNIST and a text (%(default)s)"
    )
    made.add_argument("--images", type=Path, help="an image folder")
    made.add_argument("--json", type=Path, help="a file for the ratios")
    part = made.add_mutually_exclusive_group()
    part.add_argument("--busy-only", action="store_true", help="only beside neighbors")
    part.add_argument("--quiet-only", action="store_true", help="only against all by hand")
    return made.parse_args()


def main() -> None:
    asked = options()
    if "GOMP_SPINCOUNT" not in os.environ:  # as the command line sets it, which must be before torch is imported
        wait_briefly()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        os.environ["FASTRUN_CACHE"] = folder
        found = cases(asked.root, asked.images, Path(folder))
        ratios: dict[str, float] = {}
        for name in found if asked.case == "all" else [asked.case]:
            if not asked.busy_only:
                ratios[name] = against_hand(name, found[name], asked.rounds)
                print(f"  default / best by hand: {ratios[name]:.3f} (should be at most 1.05)", flush=True)
        if len(ratios) > 1:
            print(f"\ngeometric mean: {geometric_mean(ratios.values()):.3f} (should be at most 1.02)")
        if not asked.quiet_only:
            for name in ("dense", "resnet_amp"):
                values = beside_neighbors(found[name], asked.rounds)
                show(f"{name}, beside two busy processes", values, "busy", "ms a step")
                share = ratios[f"{name} busy"] = ratio(values, "quiet", "busy")
                print(f"  steps a second, busy / quiet: {share:.2f} (should be at least 0.3)", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(ratios, indent=2))


if __name__ == "__main__":
    main()
