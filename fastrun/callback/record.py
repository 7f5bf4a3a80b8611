"""metrics.jsonl and the same for a tracker, the best value so far, and the word of the guard."""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch

from fastrun.errors import Diverged
from fastrun.logger.start import Tracking
from fastrun.metric import Known
from fastrun.module import Training
from fastrun.rundir import RunDir
from fastrun.stepping import Done

_SECONDS = 1.0  # between two transfers of losses from the device


class Record(pl.Callback):
    """Reads what steps left on the device, once a second and wherever the run pauses anyway.

    Without a run directory, as in the second process of a run, it notes the best value but writes nothing.
    """

    def __init__(self, run: RunDir | None, metric: Known, log_every: int, tracker: Tracking | None = None) -> None:
        self.run, self.metric, self.log_every, self.tracker = run, metric, log_every, tracker
        self.epoch_losses: list[float] = []
        self.waiting: deque[tuple[float, float | None]] = deque()
        self._read_at = perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Keep the losses of the epoch and of the line that are under way."""
        return {"epoch_losses": list(self.epoch_losses), "waiting": [list(pair) for pair in self.waiting]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on in the middle of an epoch."""
        self.epoch_losses = list(state_dict["epoch_losses"])
        self.waiting = deque((loss, norm) for loss, norm in state_dict["waiting"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Write the lines of the steps since the last reading, if it is time to."""
        assert isinstance(pl_module, Training)
        plan, step = pl_module.plan, pl_module.tally.step
        pauses = plan.validates(step) or plan.saves(step) or plan.ends_epoch(step)
        alone = trainer.world_size == 1  # several processes read together, so at steps that all of them know
        if pauses or (alone and perf_counter() - self._read_at >= _SECONDS):
            self.read(pl_module)

    def read(self, module: Training) -> None:
        """Bring the results of finished steps to the host, in one transfer, and write them down.

        Raises:
            Diverged: a step was bad; the lines of those before it are written.
        """
        done, module.done = module.done, []
        self._read_at = perf_counter()
        if not done:
            return
        losses = torch.stack([one.loss.float() for one in done])
        norms = [one.grad_norm for one in done if one.grad_norm is not None]
        unread = module.stepper.guard.unread(module.stepper.kept)
        results = torch.cat([losses, *([torch.stack(norms).float()] if norms else []), unread])
        if module.trainer.world_size > 1:
            torch.distributed.all_reduce(results)
            results /= module.trainer.world_size
        values = results.tolist()
        good, trouble = module.stepper.guard.verdict(done[-1].step, values[: len(done)], *values[-2:])
        lines = []
        for place, one in enumerate(done[:good]):
            norm = values[len(done) + place] if norms else None
            lines += self._line(one, values[place], norm, module)
        self._write(lines)
        module.tally.last |= {key: value for key, value in (lines or [{}])[-1].items() if "/" in key or key == "lr"}
        if trouble is not None:
            raise trouble

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write the lines of the good steps where a bad one ended the run."""
        assert isinstance(pl_module, Training)
        if isinstance(exception, Diverged):
            with suppress(Diverged):
                self.read(pl_module)

    def _line(self, done: Done, loss: float, norm: float | None, module: Training) -> list[dict[str, Any]]:
        per_epoch = module.plan.steps_per_epoch
        if (done.step - 1) % per_epoch == 0:
            self.epoch_losses = []
        self.epoch_losses.append(loss)
        self.waiting.append((loss, norm))
        if done.step % self.log_every and done.step != module.plan.total_steps:
            return []
        count = len(self.waiting)
        line = {
            "step": done.step,
            "epoch": round(done.step / per_epoch, 6),
            "train_seconds": round(done.train_seconds, 6),
            "train/loss": sum(loss for loss, _ in self.waiting) / count,
            "lr": done.lr,
        }
        if norm is not None:
            line["train/grad_norm"] = sum(norm or 0.0 for _, norm in self.waiting) / count
        self.waiting.clear()
        return [line]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a line of what the validation measured and note the best value."""
        assert isinstance(pl_module, Training)
        tally = pl_module.tally
        value = pl_module.measured[self.metric.name]
        if math.isfinite(value) and (tally.best is None or self.metric.better(value, tally.best["value"])):
            tally.best = {"metric": self.metric.name, "value": value, "step": tally.step}
        tally.last |= pl_module.measured
        line = {
            "step": tally.step,
            "epoch": round(tally.step / pl_module.plan.steps_per_epoch, 6),
            "train_seconds": round(pl_module.clock.train_seconds, 6),
        }
        self._write([line | pl_module.measured])

    def _write(self, lines: list[dict[str, Any]]) -> None:
        if self.run is not None:
            self.run.append(lines)
        if self.tracker is not None and lines:
            self.tracker.append(lines)
