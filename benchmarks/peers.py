"""An optimizer step with fastrun's default settings beside other libraries', each as its own quick start writes it.

    python benchmarks/peers.py [--rounds N]

One training: a small dense net on digits in memory, AdamW, one cycle, batch 64. Contestants, where they are installed:

fastrun     the default settings, chosen as in a run of a minute
loop        a plain loop as most are written: torch's default flags, a scheduler object, ``loss.item()`` each step
accelerate  that loop with Accelerate's ``prepare`` and ``backward``, and a DataLoader
lightning   the stock Trainer: automatic optimization, ``self.log`` of the loss
trainer     the Trainer of Hugging Face's transformers
composer    MosaicML's Composer

Every contestant runs twice the steps of which the second half counts; the device is the CPU, and none logs to a file.
Claims: fastrun takes at most 0.70 of the time of the loop, 0.40 of Accelerate's, 0.23 of Lightning's, 0.33 of the
Trainer's and 0.18 of Composer's.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from attempt import halves
from auto import chosen, milliseconds
from measure import in_turn, machine, parser, ratio, show
from step import hand_written, stock_lightning, usual
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, TensorDataset
from twin import Twin, twin

from fastrun.components.data.splits import Splits
from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.system.cores import wait_briefly
from fastrun.training.builders import data

STEPS = 1000
LIMITS = {"loop": 0.70, "accelerate": 0.40, "lightning": 0.23, "trainer": 0.33, "composer": 0.18}
PACKAGES = {"accelerate": "accelerate", "trainer": "transformers", "composer": "composer"}

Contestant = Callable[[Settings, Splits, int], float]  # settings, data and steps to milliseconds a step


class Clock:
    """Notes the times after steps; the seconds of the second half are what counts."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self.middle = self.end = 0.0

    def step(self) -> None:
        """Count a step."""
        self.done += 1
        if self.done == self.steps:
            self.middle = perf_counter()
        if self.done == 2 * self.steps:
            self.end = perf_counter()

    @property
    def milliseconds(self) -> float:
        """Return the milliseconds of a step of the second half."""
        assert self.done == 2 * self.steps, f"{self.done} steps of {2 * self.steps}"
        return 1e3 * (self.end - self.middle) / self.steps


def parts_of(settings: Settings, sets: Splits, steps: int) -> Twin:
    """Return network, optimizer, curve and data, with torch's default flags."""
    return twin(halves(settings, steps), sets, fast_kernels=False)


def loader_of(parts: Twin) -> DataLoader[Any]:
    """Return the DataLoader that the quick starts of these libraries have: a sample at a time, collated."""
    return DataLoader(TensorDataset(parts.data.floats(parts.data.x), parts.data.y), parts.data.batch, shuffle=True)


def endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def accelerate(settings: Settings, sets: Splits, steps: int) -> float:
    from accelerate import Accelerator

    parts, clock = parts_of(settings, sets, steps), Clock(steps)
    accelerator = Accelerator(cpu=True)
    scheduler: Any = LambdaLR(parts.optimizer, parts.curve)
    net, optimizer, loader, scheduler = accelerator.prepare(parts.net, parts.optimizer, loader_of(parts), scheduler)
    batches = endless(loader)
    for _ in range(2 * steps):
        x, y = next(batches)
        optimizer.zero_grad()
        accelerator.backward(parts.loss(net(x), y))
        optimizer.step()
        scheduler.step()
        clock.step()
    return clock.milliseconds


class Rows(Dataset[dict[str, Tensor]]):
    """The samples as the Trainer takes them."""

    def __init__(self, parts: Twin) -> None:
        self.x, self.y = parts.data.floats(parts.data.x), parts.data.y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a sample."""
        return {"x": self.x[index], "labels": self.y[index]}


class WithLoss(nn.Module):
    """A network that returns its loss, as the Trainer takes it."""

    def __init__(self, parts: Twin) -> None:
        super().__init__()
        self.net, self.loss = parts.net, parts.loss

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return loss and logits."""
        logits = self.net(x)
        return {"loss": self.loss(logits, labels), "logits": logits}


def trainer(settings: Settings, sets: Splits, steps: int) -> float:
    import transformers

    clock, parts = Clock(steps), parts_of(settings, sets, steps)

    class Count(transformers.TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Counts steps."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            """Count."""
            clock.step()

    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        asked = transformers.TrainingArguments(
            folder,
            max_steps=2 * steps,
            per_device_train_batch_size=parts.data.batch,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            max_grad_norm=0,
        )
        scheduler = LambdaLR(parts.optimizer, parts.curve)
        transformers.Trainer(
            WithLoss(parts),
            asked,
            train_dataset=Rows(parts),
            optimizers=(parts.optimizer, scheduler),
            callbacks=[Count()],
        ).train()
    return clock.milliseconds


def composer(settings: Settings, sets: Splits, steps: int) -> float:
    from composer import Callback, ComposerModel, Trainer

    clock, parts = Clock(steps), parts_of(settings, sets, steps)

    class Model(ComposerModel):  # type: ignore[misc, unused-ignore]
        """The network as Composer takes it."""

        def __init__(self) -> None:
            super().__init__()
            self.net = parts.net

        def forward(self, batch: Any) -> Tensor:
            """Return logits."""
            logits: Tensor = self.net(batch[0])
            return logits

        def loss(self, outputs: Tensor, batch: Any) -> Tensor:
            """Return the loss."""
            return parts.loss(outputs, batch[1])

    class Count(Callback):  # type: ignore[misc, unused-ignore]
        """Counts steps."""

        def batch_end(self, *_: Any) -> None:
            """Count."""
            clock.step()

    Trainer(
        model=Model(),
        train_dataloader=loader_of(parts),
        optimizers=parts.optimizer,
        schedulers=LambdaLR(parts.optimizer, parts.curve),
        max_duration=f"{2 * steps}ba",
        device="cpu",
        callbacks=[Count()],
        step_schedulers_every_batch=True,
        progress_bar=False,
    ).fit()
    return clock.milliseconds


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Drop what a library prints and warns."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def quietly(contestant: Contestant, settings: Settings, sets: Splits) -> float:
    with silent():
        return contestant(settings, sets, STEPS)


def contestants(settings: Settings, sets: Splits) -> dict[str, Callable[[], float]]:
    """Return fastrun and the others that are installed."""
    usual_settings = replace(settings, amp=replace(settings.amp, kind="off"))
    found: dict[str, Callable[[], float]] = {
        "fastrun": partial(milliseconds, chosen(settings), STEPS),
        "loop": partial(quietly, partial(hand_written, usual), usual_settings, sets),
        "lightning": partial(quietly, partial(stock_lightning, loader=loader_of), usual_settings, sets),
    }
    others: dict[str, Contestant] = {"accelerate": accelerate, "trainer": trainer, "composer": composer}
    for name, contestant in others.items():
        if importlib.util.find_spec(PACKAGES[name]) is None:
            print(f"  {PACKAGES[name]} is not installed")
        else:
            found[name] = partial(quietly, contestant, usual_settings, sets)
    return found


def main() -> None:
    asked = parser(__doc__).parse_args()
    if "GOMP_SPINCOUNT" not in os.environ:  # as the command line sets it, which must be before torch is imported
        wait_briefly()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        os.environ["FASTRUN_CACHE"] = str(Path(folder))
        settings = compose(["+recipe=mlp_fast", "model.hidden=[128]", "checkpoint=none", "device=cpu"])
        values = in_turn(contestants(settings, data.load_splits(settings)), asked.rounds)
    show("step of a small dense net, batch 64", values, "fastrun", "ms a step")
    for name in values.keys() & LIMITS.keys():
        print(f"  fastrun / {name}: {ratio(values, 'fastrun', name):.3f} (should be at most {LIMITS[name]})")


if __name__ == "__main__":
    main()
