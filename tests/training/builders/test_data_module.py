"""What a data factory may return besides pairs in data sets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.errors import FastrunError

QUICK = ["model=mlp", "model.hidden=[8]", "batch.size=8", "amp=off", "speed.threads=1", "epochs=3", "val_every=5"]
MODULE = """
import random
import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset
from torch.utils.data import WeightedRandomSampler

X = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
SETS = TensorDataset(X, (X.sum(1) > 2).long()), TensorDataset(X[:20], (X[:20].sum(1) > 2).long())

class Module(pl.LightningDataModule):
    options = {"shuffle": True}
    def prepare_data(self): self.asked = ["prepare_data"]
    def setup(self, stage): self.asked.append(stage)
    def train_dataloader(self): return DataLoader(SETS[0], batch_size=3, **self.options)
    def val_dataloader(self): return DataLoader(SETS[1], batch_size=3)

class Tested(Module):
    def test_dataloader(self):
        assert self.asked == ["prepare_data", "fit", "test"]
        return DataLoader(SETS[1], batch_size=3)

class Weighted(Module):
    options = {"sampler": WeightedRandomSampler([1.0] * 60, 60)}

class Batched(Module):
    options = {"batch_sampler": BatchSampler(RandomSampler(SETS[0]), 2, True), "batch_size": 1}
    def train_dataloader(self): return DataLoader(SETS[0], batch_sampler=list(self.options["batch_sampler"]))

class Several(Module):
    def val_dataloader(self): return [DataLoader(SETS[1]), DataLoader(SETS[1])]

class Moved(Module):
    def on_after_batch_transfer(self, batch, index): return batch

def halved(samples):
    x, y = zip(*samples)
    return torch.stack(x) / 2, torch.tensor([int(one) for one in y])

def collated(): return {"train": SETS[0], "val": SETS[1], "collate_fn": halved}

class Stream(IterableDataset):
    def __init__(self, count, told=None):
        self.count, self.told, self.epoch = count, told, None
    def set_epoch(self, epoch): self.epoch = epoch
    def __len__(self):
        if self.told is None: raise TypeError
        return self.told
    def __iter__(self):
        waiting = []  # the buffer of a shuffled stream
        for number in range(self.count):
            waiting.append(number)
            if len(waiting) > 5:
                yield self.sample(waiting.pop(random.randrange(len(waiting))))
        yield from map(self.sample, waiting)
    def sample(self, number):
        x = X[number % 60] + 0.01 * torch.randn(4) + 0.01 * np.random.rand()
        return x.float(), int(X[number % 60].sum() > 2)

def streams(train=60, told=None): return {"train": Stream(train, told), "val": Stream(20)}
"""
FAULT = """
from pathlib import Path
import pytorch_lightning as pl

class Fault(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 12 and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("a fault")
"""


@pytest.fixture(autouse=True)
def _module(folder: Path, monkeypatch) -> None:
    (folder / "own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))


def trained(name: str, *overrides: str):
    return fastrun.train([*QUICK, f"data._target_=own.{name}", *overrides], quiet=True)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"]


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_data_sets_of_a_module_are_trained_on_in_batches_of_the_run(folder: Path) -> None:
    run = trained("Tested")
    assert run.summary["steps"] == 3 * 7
    assert main(["eval", str(run.directory)]) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Weighted", "the train dataloader has a WeightedRandomSampler, which would not be used"),
        ("Batched", "the train dataloader makes its own batches"),
        ("Several", "there are 2 val dataloaders"),
        ("Moved", "on_after_batch_transfer of its own, which would not be called"),
    ],
)
def test_what_a_module_decides_itself_is_refused(name: str, message: str) -> None:
    with pytest.raises(FastrunError) as caught:
        trained(name)
    assert message in str(caught.value)


@pytest.mark.full
def test_a_collate_function_makes_the_batches_in_every_pipeline(folder: Path) -> None:
    runs = [trained("collated", *given).directory for given in (["pipeline=plain"], ["pipeline=workers"])]
    assert_same(*runs)
    with pytest.raises(AssertionError):
        assert_same(runs[0], trained("Module", "pipeline=plain").directory)


def test_a_stream_is_read_in_its_own_order_and_resumes_exactly(folder: Path) -> None:
    (folder / "fault.py").write_text(FAULT)
    chosen = ["pipeline=plain", "checkpoint.every=5"]
    with pytest.raises(RuntimeError, match="a fault"):
        trained("streams", *chosen, "name=failed", "+callbacks.fault._target_=fault.Fault")
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    assert_same(run, trained("streams", *chosen).directory)


def test_a_stream_is_the_same_in_a_worker_process(folder: Path) -> None:
    one, other = (trained("streams", *given) for given in (["pipeline=plain"], ["pipeline=workers"]))
    assert_same(one.directory, other.directory)
    assert one.summary["last"]["val/loss"] == other.summary["last"]["val/loss"]


@pytest.mark.parametrize(("told", "message"), [(70, "ended after 60 samples"), (50, "has more than its 50 samples")])
def test_a_stream_of_another_length_than_it_says_is_refused(told: int, message: str) -> None:
    with pytest.raises(FastrunError) as caught:
        trained("streams", f"+data.told={told}", "pipeline=plain")
    assert message in str(caught.value)
