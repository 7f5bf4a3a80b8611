"""Where the checks of ``gpu.py`` are made: the device, small networks on it, and what is asked of their losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from attempt import Attempt, attempt

import fastrun
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.report.run import Run
from fastrun.training.builders.parts import Parts, build_parts
from fastrun.training.builders.setup import set_up

STEPS = 8


@dataclass(frozen=True)
class Bench:
    """Where the checks are made.

    Attributes:
        device: ``cpu`` or ``cuda``.
        quick: whether networks and data are tiny.
        folder: a folder for runs.
    """

    device: str
    quick: bool
    folder: Path

    @property
    def is_gpu(self) -> bool:
        """Say whether the checks are made on a GPU."""
        return self.device == "cuda"

    @property
    def option(self) -> str:
        """Return the override that chooses the device."""
        return f"device={'gpu' if self.is_gpu else 'cpu'}"

    def images(self, model: str = "resnet") -> list[str]:
        """Return the overrides of a small network on images."""
        data = ["data=synthetic", "data.val_fraction=0.1", "data.test_fraction=0.1", "schedule=constant"]
        size = ["data.shape=[3,8,8]", "data.samples=320", "batch.size=32"]
        if not self.quick:
            size = ["data.shape=[3,32,32]", "data.samples=2560", "batch.size=128"]
        width = [f"model.width={4 if self.quick else 16}"] if model == "resnet" else []
        return [*data, *size, f"model={model}", *width, "optimizer=nesterov", "optimizer.lr=0.01", self.option]

    def vectors(self) -> list[str]:
        """Return the overrides of a dense network without norms."""
        data = ["data=synthetic", "data.shape=[16]", "data.samples=640", "batch.size=64", "schedule=constant"]
        return [*data, "model=mlp", "model.hidden=[32,32]", "norm=none", self.option, "amp=off"]

    def attempt(self, *overrides: str, network: list[str] | None = None) -> Attempt:
        """Train some steps on the path of ``fastrun train``.

        Args:
            *overrides: changes.
            network: the overrides of the network; None for the residual one.
        """
        plan = [f"steps={STEPS}", f"val_every={STEPS}", "checkpoint=none"]
        return attempt(compose([*(network or self.images()), *plan, *overrides]))

    def train(self, name: str, *overrides: str) -> Run:
        """Train by ``fastrun.train``, into a run directory."""
        folder = self.folder / name
        return fastrun.train([*overrides, f"hydra.run.dir={folder}"], quiet=True)

    def parts(self, overrides: list[str]) -> Parts:
        """Build the parts of a training."""
        settings = compose([*overrides, "checkpoint=none"])
        return build_parts(settings, set_up(settings), Resolved({}))


def finite_losses(done: Attempt) -> list[float]:
    """Return the losses of a run, all of which are finite."""
    losses = [line["train/loss"] for line in done.lines if "train/loss" in line]
    assert len(losses) == STEPS, f"{len(losses)} losses of {STEPS} steps"
    assert all(map(math.isfinite, losses)), losses
    return losses


def near(losses: list[float], wanted: list[float], tolerance: float) -> float:
    """Return the largest relative difference of losses, which is at most ``tolerance``."""
    apart = max(abs(one - other) / max(abs(other), 1e-6) for one, other in zip(losses, wanted, strict=True))
    assert apart <= tolerance, f"losses differ by {apart:.3g}: {losses} and {wanted}"
    return apart


def without(overrides: list[str], start: str) -> list[str]:
    """Return the overrides of the keys that do not begin with a text."""
    return [one for one in overrides if not one.startswith(start)]
