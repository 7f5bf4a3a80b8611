"""What an initialization is given to look at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import fastrun

OWN = """
import torch
from torch.utils.data import TensorDataset

seen = []

def sets(count):
    x = torch.arange(count, dtype=torch.float).view(-1, 1)
    return {"train": TensorDataset(x, torch.arange(count) % 2), "val": TensorDataset(x, torch.arange(count) % 2)}

def look(net, examples):
    seen.append(examples.flatten().long())
"""


def examples(folder: Path, count: int) -> torch.Tensor:
    """Return which samples of a set an initialization is given, twice, to see that they are the same."""
    (folder / "own_look.py").write_text(OWN)
    for group, target in {"data": f"own_look.sets\ncount: {count}", "init": "own_look.look"}.items():
        (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
        (folder / f"conf/{group}/own.yaml").write_text(f"# Mine\n_target_: {target}\n")
    own = ["data=own", "init=own", "model=mlp", "model.hidden=[2]", "steps=1", "batch.size=2"]
    for _ in range(2):
        fastrun.train(own, quiet=True)
    first, second = sys.modules["own_look"].seen
    assert torch.equal(first, second)
    return first


@pytest.mark.parametrize("count", [4000, 5040, 6007])
def test_examples_come_from_all_over_a_set_that_is_sorted_or_takes_turns(folder: Path, count: int) -> None:
    found = examples(folder, count)
    assert len(found.unique()) == 1000
    for some in (found, found[:256]):
        for classes in (2, 7, 10):
            by_turn = torch.bincount(some % classes, minlength=classes)
            by_order = torch.bincount(some * classes // count, minlength=classes)
            for counts in (by_turn, by_order):
                assert (counts - len(some) / classes).abs().max() <= 6


def test_a_small_set_is_taken_whole(folder: Path) -> None:
    assert sorted(examples(folder, 12).tolist()) == list(range(12))
