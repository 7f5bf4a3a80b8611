"""What a validation costs: fastrun's, as it happens in a run, beside a bare evaluation loop.

    python benchmarks/validation.py [--case dense|resnet|all] [--device auto|cpu|cuda] [--rounds N]

10,000 images of 1x28x28, as many as Fashion-MNIST has for testing; the dense network of template.py, and resnet8. A
step of training lies between two validations. fastrun's time is what its clock books as ``validate``: Lightning's way
into the validation and out of it, the metrics, the line in metrics.jsonl. The bare loop runs in inference mode over
batches of the same size and adds up loss and hits on the device.

Claim: fastrun takes at most 1.10 of the time of the bare loop. One validation a round is not counted.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from math import prod
from statistics import median
from time import perf_counter, time

import torch
from attempt import attempt
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show, synchronize
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset
from twin import Twin, twin

from fastrun.components.data.splits import Splits
from fastrun.components.pipeline.evaluation import batch_size
from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.system.clock import Clock
from fastrun.training.builders import data as feed

CASES = {
    "dense": ("model=mlp", "model.hidden=[64, 128, 64]"),
    "resnet": ("model=resnet", "model.depth=8", "model.width=16"),
}
VALIDATIONS = {"dense": 30, "resnet": 3}  # timed a round
# 10,000 of these 16,000 are for validation
DATA = ("data=synthetic", "data.shape=[1, 28, 28]", "data.samples=16000", "data.val_fraction=0.625")


class Laps(Clock):
    """A clock that also keeps what each validation took."""

    def __init__(self) -> None:
        super().__init__(time())
        self.laps: list[float] = []

    def enter(self, phase: str) -> None:
        """Note a validation that ends."""
        was, before = self.phase, self.seconds["validate"]
        super().enter(phase)
        if was == "validate" != phase:
            self.laps.append(self.seconds["validate"] - before)


def settings_of(case: str, device: str) -> Settings:
    steps = VALIDATIONS[case] + 1
    plan = (f"steps={steps}", "val_every=1", "checkpoint=none", f"device={device_option(device)}", "amp=off")
    return compose([*DATA, *CASES[case], *plan, "schedule=constant"])


def fastrun(settings: Settings) -> float:
    clock = Laps()
    attempt(settings, clock)
    return 1e3 * median(clock.laps[1:])


def bare(settings: Settings, sets: Splits, batch: int) -> float:
    parts = twin(settings, sets)
    samples = sets.val
    assert isinstance(samples, TensorDataset)
    x, y = (tensor.to(parts.device) for tensor in samples.tensors)
    batches, laps = parts.data.batches(), []
    for _ in range(settings.steps or 0):
        train_step(parts, *next(batches))
        synchronize(parts.device)
        start = perf_counter()
        loss, _ = evaluate(parts, x, y, batch)
        laps.append(perf_counter() - start)
        assert math.isfinite(loss)
    return 1e3 * median(laps[1:])


def train_step(parts: Twin, x: torch.Tensor, y: torch.Tensor) -> None:
    parts.loss(parts.net(x), y).backward()
    parts.optimizer.step()
    parts.optimizer.zero_grad()


@torch.inference_mode()
def evaluate(parts: Twin, x: torch.Tensor, y: torch.Tensor, size: int) -> tuple[float, float]:
    """Return loss and accuracy."""
    net, data = parts.net.eval(), parts.data
    loss, hits = torch.zeros((), device=parts.device), torch.zeros((), device=parts.device)
    for some_x, some_y in zip(x.split(size), y.split(size), strict=True):
        logits = net(data.floats(some_x))
        loss += cross_entropy(logits, some_y, reduction="sum")
        hits += logits.argmax(1).eq(some_y).sum()
    net.train()
    total_loss, total_hits = torch.stack([loss, hits]).tolist()
    return total_loss / len(y), total_hits / len(y)


def same_result(settings: Settings, sets: Splits, batch: int) -> None:
    """Compare what both measure of the same weights."""
    assert isinstance(sets.val, TensorDataset)
    outcome = attempt(settings).outcome
    parts = twin(settings, sets)
    parts.net.load_state_dict(outcome.module.net.state_dict())
    x, y = (tensor.to(parts.device) for tensor in sets.val.tensors)
    loss, accuracy = evaluate(parts, x, y, batch)
    measured = outcome.module.measured
    assert math.isclose(accuracy, measured["val/acc"], abs_tol=2e-4), (accuracy, measured)
    assert math.isclose(loss, measured["val/loss"], rel_tol=1e-3), (loss, measured)
    print(f"\nthe same result: loss {loss:.4f}, accuracy {accuracy:.4f}")


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--case", choices=(*CASES, "all"), default="all", help="(%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    device = device_of(asked.device)
    machine(device)
    for case in CASES if asked.case == "all" else [asked.case]:
        settings = settings_of(case, asked.device)
        sets = feed.load_splits(settings)
        values = max(prod(sets.in_shape), sets.task.outputs)
        size = batch_size(values, settings.batch.size, device, resident=True)
        same_result(settings, sets, size)
        measured = in_turn(
            {"fastrun": partial(fastrun, settings), "bare": partial(bare, settings, sets, size)}, asked.rounds
        )
        show(f"validation of {case}, batches of {size}", measured, "bare", "ms")
        claim(measured, "fastrun", "bare", "at most 1.10")


if __name__ == "__main__":
    main()
