"""What an optimizer step costs: fastrun beside a plain loop with the same maths, a usual one, and stock Lightning.

    python benchmarks/step.py [--case mlp|resnet|all] [--device auto|cpu|cuda] [--amp off|bf16] [--rounds N]
                              [KEY=VALUE ...]

fastrun    the whole path of a run: Lightning, callbacks, metrics.jsonl; time as its own training clock has it
module     fastrun with the network of mlp as a LightningModule, trained by its own training_step, which logs its loss
plain      a loop with the same network, weights, optimizer flags, schedule, precision, layout and sliced batches
usual      that loop as most are written: torch's default flags, a scheduler object, ``loss.item()`` each step
lightning  the stock Trainer: automatic optimization, ``self.log`` of the loss, everything else off

Claims: fastrun takes at most 1.05 (mlp) and 1.02 (resnet) of the time of ``plain``, and at most 0.80 of that of
``usual`` (mlp); ``module`` at most 1.05 of ``plain``, and 0.55 of ``lightning``. Every contestant runs twice the steps
of which the second half counts. Before measuring, the weights of fastrun and ``plain`` are compared after a few steps.
Overrides such as norm=none change the case for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch
from attempt import attempt, halves, seconds_of_second_half
from measure import Values, claim, device_of, device_option, in_turn, machine, on_device, parser, show, synchronize
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from twin import Twin, twin

from fastrun.components.data.splits import Splits
from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.training.builders import data
from fastrun.training.builders.trainer import quiet


@dataclass(frozen=True)
class Case:
    """A network and its data, the steps that are timed, and what should come out."""

    overrides: tuple[str, ...]
    steps: int
    limit: str


CASES = {
    "mlp": Case(
        ("+recipe=mlp_fast", "data.shape=[784]", "data.samples=62000", "batch.size=64"),
        1500,
        "at most 1.05",
    ),
    "resnet": Case(
        (
            "model=resnet",
            "model.depth=8",
            "model.width=16",
            "data.samples=16000",
            "batch.size=128",
            "optimizer=nesterov",
        ),
        30,
        "at most 1.02",
    ),
}
Loader = Callable[[Twin], DataLoader[Any]]
SMALL_VAL = ("data.val_fraction=0.02", "data.test_fraction=0.01")
CHECKED_STEPS = 20


def settings_of(case: Case, asked: argparse.Namespace) -> Settings:
    fixed = ("data=synthetic", *SMALL_VAL, "checkpoint=none", "schedule=onecycle")
    chosen = (f"device={device_option(asked.device)}", f"amp={asked.amp}")
    return compose([*fixed, *case.overrides, *chosen, *asked.overrides])


def fastrun_step(settings: Settings, steps: int) -> float:
    lines = attempt(halves(settings, steps)).lines
    return 1e3 * seconds_of_second_half(lines) / steps


def as_module(settings: Settings) -> Settings:
    """Return the same training with the network as a LightningModule."""
    return replace(settings, model={**settings.model, "_target_": "own_module.Module"})


def hand_written(loop: Callable[[Twin, int, int], float], settings: Settings, sets: Splits, steps: int) -> float:
    fresh = twin(halves(settings, steps), sets, fast_kernels=loop is plain)
    return 1e3 * loop(fresh, steps, steps) / steps


def plain(parts: Twin, warm: int, steps: int) -> float:
    """Return the seconds of ``steps`` steps of a good loop, after ``warm`` that do not count."""
    net, optimizer, loss_of, batches = parts.net, parts.optimizer, parts.loss, parts.data.batches()
    start = perf_counter()
    for step in range(warm + steps):
        if step == warm:
            synchronize(parts.device)
            start = perf_counter()
        x, y = next(batches)
        rate = parts.rate * parts.curve(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with parts.amp.autocast():
            loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    synchronize(parts.device)
    return perf_counter() - start


def usual(parts: Twin, warm: int, steps: int) -> float:
    """Return the same of a loop as most are written."""
    net, optimizer, loss_of, batches = parts.net, parts.optimizer, parts.loss, parts.data.batches()
    scheduler = LambdaLR(optimizer, parts.curve)
    start, running = perf_counter(), 0.0
    for step in range(warm + steps):
        if step == warm:
            synchronize(parts.device)
            start = perf_counter()
        x, y = next(batches)
        optimizer.zero_grad()
        with parts.amp.autocast():
            loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item()
    synchronize(parts.device)
    return perf_counter() - start


class Stock(pl.LightningModule):
    """The same training as Lightning's documentation writes it."""

    def __init__(self, parts: Twin) -> None:
        super().__init__()
        self.net, self.loss, self.parts = parts.net, parts.loss, parts

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss."""
        x, y = batch
        loss = self.loss(self.net(self.parts.data.floats(x)), y)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """Return optimizer and scheduler."""
        scheduler = LambdaLR(self.parts.optimizer, self.parts.curve)
        return {"optimizer": self.parts.optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Stopwatch(pl.Callback):
    """Notes when the warm-up and the run ended."""

    def __init__(self, warm: int, device: torch.device) -> None:
        self.warm, self.device = warm, device
        self.seconds = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Start after the warm-up."""
        if trainer.global_step == self.warm:
            synchronize(self.device)
            self.start = perf_counter()

    def on_train_end(self, *_: Any) -> None:
        """Stop."""
        synchronize(self.device)
        self.seconds = perf_counter() - self.start


def whole_batches(parts: Twin) -> DataLoader[Any]:
    """Return a DataLoader that slices a batch at a time."""
    samples = TensorDataset(parts.data.x, parts.data.y)
    return DataLoader(
        samples, sampler=BatchSampler(RandomSampler(samples), parts.data.batch, drop_last=True), batch_size=None
    )


def stock_lightning(settings: Settings, sets: Splits, steps: int, loader: Loader | None = None) -> float:
    parts = twin(halves(settings, steps), sets, fast_kernels=False)
    watch = Stopwatch(steps, parts.device)
    with quiet():
        trainer = pl.Trainer(
            accelerator="gpu" if parts.device.type == "cuda" else "cpu",
            devices=1,
            max_steps=2 * steps,
            precision="bf16-mixed" if settings.amp.kind == "bf16" else "32-true",
            callbacks=[watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Stock(parts), (loader or whole_batches)(parts))
    return 1e3 * watch.seconds / steps


def same_maths(settings: Settings, sets: Splits) -> None:
    """Compare the weights of fastrun and the plain loop after a few steps."""
    short = replace(settings, steps=CHECKED_STEPS, val_every=str(CHECKED_STEPS))
    by_hand = twin(short, sets)
    first = [weight.detach().clone() for weight in by_hand.net.parameters()]
    plain(by_hand, 0, CHECKED_STEPS)
    theirs = [weight.detach() for weight in by_hand.net.parameters()]
    ours = [weight.detach() for weight in attempt(short).outcome.module.net.parameters()]
    moved, apart = furthest(theirs, first), furthest(theirs, ours)
    assert apart <= 1e-2 * moved, f"fastrun and the plain loop differ by {apart:.2g} after {CHECKED_STEPS} steps"
    print(f"\nthe same maths: {CHECKED_STEPS} steps move weights by up to {moved:.2g}; the two differ by {apart:.2g}")


def furthest(some: list[Tensor], others: list[Tensor]) -> float:
    """Return the largest difference of any weight."""
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))


def measured(case: Case, settings: Settings, sets: Splits, rounds: int) -> Values:
    contestants = {
        "fastrun": partial(fastrun_step, settings, case.steps),
        **({"module": partial(fastrun_step, as_module(settings), case.steps)} if case is CASES["mlp"] else {}),
        "plain": partial(hand_written, plain, settings, sets, case.steps),
        "usual": partial(hand_written, usual, settings, sets, case.steps),
        "lightning": partial(stock_lightning, settings, sets, case.steps),
    }
    return in_turn(contestants, rounds)


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--case", choices=(*CASES, "all"), default="all", help="(%(default)s)")
    made.add_argument("--amp", choices=("off", "bf16"), default="off", help="(%(default)s)")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to fastrun's config")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(device_of(asked.device))
    for name in CASES if asked.case == "all" else [asked.case]:
        case = CASES[name]
        settings = settings_of(case, asked)
        sets = data.load_splits(settings)
        same_maths(settings, sets)
        values = measured(case, settings, sets, asked.rounds)
        show(f"step of {name}, batch {settings.batch.size}, amp={asked.amp}", values, "plain", "ms a step")
        claim(values, "fastrun", "plain", case.limit)
        if name == "mlp":
            claim(values, "fastrun", "usual", "at most 0.80")
            claim(values, "module", "plain", "at most 1.05")
            claim(values, "module", "lightning", "at most 0.55")


if __name__ == "__main__":
    main()
