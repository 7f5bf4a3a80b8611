"""Networks as a run builds them: the numbers that they are made of, and what an initialization is given to look at."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import fastrun
from fastrun.compose import compose
from fastrun.config import instantiate
from fastrun.config.resolved import Resolved
from fastrun.system.seed import derive
from fastrun.training.builders.model import build_network, construct_network
from fastrun.training.builders.setup import set_up

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


DRAWING = """
import random
import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.head = nn.Linear(in_shape[0], num_classes)
        with torch.no_grad():
            self.head.weight.add_(torch.tensor(np.random.rand(num_classes, in_shape[0]), dtype=torch.float))
        self.order = random.sample(range(in_shape[0]), in_shape[0])  # in no state dict

    def forward(self, x):
        return self.head(x[:, self.order])
"""
SMALL = ["data=synthetic", "data.samples=64", "data.shape=[6]"]


@pytest.fixture
def drawing(folder: Path) -> None:
    (folder / "drawing.py").write_text(DRAWING)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/drawing.yaml").write_text("# Mine\n_target_: drawing.Net\n")


def built(seed: int) -> torch.nn.Module:
    settings = compose([*SMALL, "model=drawing", f"seed={seed}"])
    return build_network(settings, set_up(settings), Resolved({}))


def test_a_network_that_draws_from_numpy_and_python_is_a_function_of_the_seed(drawing: None) -> None:
    first = built(0)
    np.random.rand(), random.random()
    before = np.random.get_state()[1].tolist(), random.getstate()
    second, other = built(0), built(1)
    assert torch.equal(first.head.weight, second.head.weight)
    assert first.order == second.order
    assert not torch.equal(first.head.weight, other.head.weight)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


def test_what_a_constructor_draws_and_keeps_for_itself_is_there_again_where_a_run_is_loaded(drawing: None) -> None:
    run = fastrun.train([*SMALL, "model=drawing", "steps=1"], quiet=True)
    random.random()
    nets = [fastrun.load(run.directory).net, built(0)]
    assert nets[0].order == nets[1].order


@pytest.mark.parametrize("model", ["mlp", "resnet"])
def test_a_shipped_model_has_the_weights_that_torch_draws_from_the_seed(model: str) -> None:
    settings = compose([*SMALL[:2], "data.shape=[1,8,8]", f"model={model}", "seed=3"])
    setup = set_up(settings)
    torch.manual_seed(derive(3, "init"))
    expected = construct_network(settings, setup.learned, Resolved({}))
    init = instantiate.bind("init", settings.init)
    assert init is not None
    init(expected)
    found = build_network(settings, setup, Resolved({})).state_dict()
    assert found.keys() == expected.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in expected.state_dict().items())
