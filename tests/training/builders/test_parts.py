"""Steps without Lightning: of a body that is frozen at first, too."""

from __future__ import annotations

from pathlib import Path

import torch

import fastrun
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.training.builders.parts import build_parts
from fastrun.training.builders.setup import set_up

SMALL = ["data=digits", "model=mlp", "model.hidden=[8]", "norm=batch", "steps=4", "clip=norm"]


def test_a_frozen_body_keeps_its_norms_and_is_clipped_once_it_trains(folder: Path) -> None:
    run = fastrun.train([*SMALL, "name=a"], quiet=True)
    settings = compose([*SMALL, "transfer=finetune", f"transfer.source={run.directory}", "transfer.freeze=2"])
    parts = build_parts(settings, set_up(settings), Resolved({}))
    stepper = parts.build_stepper()
    before = {name: value.clone() for name, value in parts.net.named_buffers()}
    assert before
    batches = parts.loaders.train.batches(0)
    stepper.step(0, next(batches))
    assert all(torch.equal(before[name], value) for name, value in parts.net.named_buffers())
    assert len(stepper.weights) == len(list(parts.net.parameters()))
