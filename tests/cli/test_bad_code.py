"""Mistakes in the code of a user: models and data sets that do not work; in forked processes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

ErrorOf = Callable[[subprocess.CompletedProcess[str], int], str]
WriteOption = Callable[[str, str, str], None]

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]

NET = """from torch import nn
class net(nn.Module):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.head = nn.Linear(4, num_classes)
    def forward(self, x):
        return {}
"""
LIT = """from torch import nn
from pytorch_lightning import LightningModule
class Body(nn.Linear): pass
class net(LightningModule):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.head, self.body = nn.Linear(4, num_classes), Body(4, 4 * num_classes)
    def forward(self, x):
        return self.head(x)
{}"""
MODELS = [
    ("def net(in_shape, num_classes:\n    pass\n", 2, "own.py, line 1"),
    ("\nimport nope_at_all\n", 2, "own.py, line 2"),
    ("from torch import nope\n", 2, "own.py, line 1"),
    ("net = 1 / 0\n", 2, "own.py, line 1"),
    ("import sys\nsys.exit(0)\n", 2, "own.py, line 2"),
    ("net = 3\n", 2, "is not a function or a class"),
    ("def net(in_shape, num_classes): return [1]\n", 2, "returned list"),
    ("def net(in_shape, num_classes): raise ValueError('oh')\n", 2, "cannot be built: oh"),
    ("def net(in_shape, num_classes, width): pass\n", 2, "+model.width=…"),
    (NET.format("[self.head(x)]"), 2, "returns a list for 2 samples, not a tensor of shape [2, 10]"),
    (NET.format("self.head(x)[:, :3]"), 2, "returns shape [2, 3] for 2 samples; it should be [2, 10]"),
    (NET.format("self.haed(x)"), 2, "no attribute 'haed'"),
    (NET.format("self.head(x.T)"), 2, "does not take samples of shape [4]"),
    (
        LIT.format("    def training_step(self, batch, index): pass\n"),
        2,
        "net.training_step returned NoneType, not a loss",
    ),
    (LIT.format(""), 0, ""),
]

HEAD = "import torch\nfrom torch.utils.data import TensorDataset as T\nX, Y = torch.rand(64, 4), torch.arange(64) % 3\n"
HEAD += "def both(samples): return {'train': samples, 'val': samples}\n"
SETS = [
    ("def sets(): raise KeyError('oh')\n", "own.sets raised KeyError: 'oh'\nhint: own.py, line 5"),
    ("def sets(): return open('nope')\n", "check data.root"),
    ("def sets(): return 3\n", "must return {'train'"),
    ("def sets(): return {'train': T(X, Y)}\n", "must return {'train'"),
    ("def sets(): return {'train': 3, 'val': 4}\n", "a torch Dataset"),
    ("def sets(): return {'train': T(X[:0], Y[:0]), 'val': T(X, Y)}\n", "the train set is empty"),
    ("def sets(): return {'train': T(X, Y - 1), 'val': T(X, Y)}\n", "labels count from 0"),
    ("def sets(): return {'train': T(X, Y), 'val': T(X, Y - 1)}\n", "labels count from 0"),
    ("def sets(): return {'train': T(X, Y), 'val': T(X, Y + 4)}\n", "the val set has the label 6"),
    ("def sets(): return {'train': T(X, Y), 'val': T(X, Y), 'classes': ['a']}\n", "1 classes have names"),
    ("def sets(): return {'train': T(X, 0 * Y), 'val': T(X, Y)}\n", "one class only"),
    ("def sets(): return {'train': T(X / 0, Y), 'val': T(X, Y)}\n", "leave those samples out"),
    ("def sets(): return {'train': T(X, Y), 'val': T(X * torch.nan, Y)}\n", "the val set's inputs hold NaN"),
    ("def sets(): return {'train': T(X, Y * torch.nan), 'val': T(X, Y)}\n", "targets hold NaN"),
    ("def sets(): return {'train': T(X, Y), 'val': T(X[:, :3], Y)}\n", "samples of shape [3], but train of [4]"),
    ("def sets(): return {'train': [('a', 1)] * 8, 'val': [('a', 1)] * 8}\n", "each sample must be (input, target)"),
    ("def sets(): return {'train': [1, 2, 3], 'val': [1, 2, 3]}\n", "each sample must be (input, target)"),
    ("def sets(): return {'train': [*T(X, Y), (X[0, :3], 1)], 'val': T(X, Y)}\n", "a batch cannot be read"),
    ("def sets(): return both([{'image': X[0], 'mask': 1}] * 8)\n", "samples are dicts with the keys image, mask"),
    ("def sets(): return both([(X[0], {'boxes': Y})] * 8)\n", "each sample must be (input, target)"),
    ("def sets(): return both(T(X, Y.expand(8, 64).T))\n", "whole numbers of shape [8] as the target of an input of"),
    ("def sets(): return both([(X[0], Y.view(8, 8))] * 8)\n", "whole numbers of shape [8, 8] as the target"),
    ("def sets(): return both([(X, X > 0.5)] * 8)\n", "or a token for each position of an input [length]"),
    ("def sets(): return both([(X[0], X)] * 8)\n", "numbers of shape [64, 4] as the target of a sample are not"),
    ("def sets(): return both([(X[0], X[0] + 1j)] * 8)\n", "complex targets are not supported"),
    ("def sets(): return both([(X[0], X[0]), (X[0], X[0, :2])] * 8)\n", "different shapes, such as [2] and [4]"),
    ("class S(list):\n    def __getitem__(self, i): return X[0], {}[i]\n\n"
     "def sets(): return both(S([1]))\n", "own.sets returned a set that raised KeyError: 0\nhint: own.py, line 6"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("module", "code", "hint"), MODELS)
def test_a_users_model_that_does_not_work_is_refused(
    shell, module, code, hint, error_of: ErrorOf, write_own_option: WriteOption
) -> None:
    write_own_option("model", module, "net")
    assert hint in error_of(shell("train", *TINY[:3], "model=own", "steps=2"), code)


@pytest.mark.sampled
@pytest.mark.parametrize(("function", "hint"), SETS)
def test_a_users_data_that_does_not_work_is_a_data_error(
    shell, function, hint, error_of: ErrorOf, write_own_option: WriteOption
) -> None:
    write_own_option("data", HEAD + function, "sets")
    assert hint in error_of(
        shell("train", *TINY[3:], "data=own", "pipeline.num_workers=0", "epochs=1", "steps=null"), 3
    )


UNREADABLE = """import torch
class Set(list):
    targets = [index % 3 for index in range(90)]
    def __len__(self): return 90
    def __getitem__(self, index):
        return torch.full((4,), index).to(torch.{}), self.targets[{{5: 99}}.get(index, index)]
def sets(): return {{'train': Set(), 'val': Set()}}
"""


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("dtype", "more"), [("uint8", []), ("float", ["init=lsuv"]), ("float", ["batch=auto"]), ("float", [])]
)
def test_a_sample_that_cannot_be_read_is_a_data_error_whatever_reads_it_first(
    shell, dtype, more, error_of: ErrorOf, write_own_option: WriteOption
) -> None:
    write_own_option("data", UNREADABLE.format(dtype), "sets")
    own = [*TINY[3:], "data=own", "pipeline.num_workers=0", "epochs=1", "steps=null"]
    assert "cannot be read: IndexError: list index" in error_of(shell("train", *own, *more), 3)


UNPOOL = """
from torch import nn
class net(nn.Module):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.head = nn.Linear(64, num_classes)
    def forward(self, x):
        return self.head(self.unpool(*self.pool(x)).flatten(1))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("deterministic", "code"), [("true", 2), ("false", 0)])
def test_a_kernel_without_a_deterministic_form_is_refused_with_deterministic(
    shell, deterministic, code, error_of: ErrorOf, write_own_option: WriteOption
) -> None:
    write_own_option("model", UNPOOL, "net")
    err = error_of(shell("train", "model=own", "steps=1", "init=default", f"deterministic={deterministic}"), code)
    assert code == 0 or "deterministic=true: max_unpool" in err


def test_a_bug_is_reported_in_one_line(shell, error_of: ErrorOf, write_own_option: WriteOption) -> None:
    write_own_option("model", "def net(in_shape, num_classes):\n    raise KeyError('oh')\n", "net")
    assert "--debug shows the traceback" in error_of(shell("train", "model=own"), 1)
