import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

import fastrun
from fastrun.cli.main import main
from fastrun.components.metrics import Metrics
from fastrun.components.pipeline import evaluation
from fastrun.components.pipeline.evaluation import EvalLoader
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.standardize import fit_standardize

CPU = torch.device("cpu")


class Map(Dataset):
    """A set of a user's own: no tensors to take hold of."""

    def __init__(self, samples: TensorDataset) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        x, y = self.samples[index]
        return x, int(y)


def numbered(count: int) -> TensorDataset:
    x = torch.randint(0, 256, (count, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, torch.arange(count))


def everything(batches: EvalLoader) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.sampled_from([TensorDataset, Map]))
def test_each_sample_is_seen_once_in_order_and_scaled(count, kind):
    samples = numbered(count)
    scale = fit_standardize(samples)
    x, y = everything(EvalLoader(samples if kind is TensorDataset else Map(samples), Preparation(scale), CPU))
    assert y.tolist() == list(range(count))
    assert torch.equal(x, scale(samples.tensors[0]))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 100), st.integers(1, 4), st.sampled_from([TensorDataset, Map]))
def test_split_over_ranks_each_sample_is_still_seen_once(count, world, kind):
    samples = numbered(count)
    given_samples = samples if kind is TensorDataset else Map(samples)
    parts = [
        EvalLoader(given_samples, Preparation(fit_standardize(samples)), CPU, rank, world) for rank in range(world)
    ]
    seen = [[label for _, y in part for label in y.tolist()] for part in parts]
    assert sorted(label for part in seen for label in part) == list(range(count))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


@pytest.mark.parametrize("kind", [TensorDataset, Map])
def test_a_set_can_be_gone_through_again_and_again(kind):
    samples = numbered(10)
    batches = EvalLoader(samples if kind is TensorDataset else Map(samples), Preparation(fit_standardize(samples)), CPU)
    assert [y.tolist() for _, y in batches] == [y.tolist() for _, y in batches] == [list(range(10))]


@pytest.mark.parametrize("kind", [TensorDataset, Map])
def test_batches_have_the_size_that_is_given(kind):
    samples = numbered(200)
    given_samples = samples if kind is TensorDataset else Map(samples)
    batches = EvalLoader(given_samples, Preparation(fit_standardize(samples)), CPU, size=90)
    assert [len(y) for _, y in batches] == [90, 90, 20]


@pytest.mark.parametrize(
    ("values", "part", "device", "resident", "size"),
    [
        (9, 128, "cpu", True, 512),  # four times what training computes
        (9, 4096, "cpu", True, 4096 * 4),
        (9, 4096, "cpu", False, 256),  # loaded sample by sample
        (1 << 12, 128, "cpu", True, 128),  # what fits the cache
        (1 << 12, 4096, "meta", True, 4096),  # a GPU takes more
        (1 << 20, 128, "cpu", True, 64),  # does not fit, but 64 are worth it
        (1 << 30, 2, "cpu", True, 2),  # and no more than training computes
        (1 << 30, 1, "meta", False, 1),
    ],
)
def test_batches_are_fast_and_fit_where_training_fits(values, part, device, resident, size):
    assert evaluation.batch_size(values, part, torch.device(device), resident) == size


def test_a_run_evaluates_in_batches_that_fit_where_training_fits(folder, monkeypatch):
    seen, measure = [], Metrics.measure

    def watched(self, outputs):
        return measure(self, (seen.append(len(out)) or (out, y) for out, y in outputs))

    monkeypatch.setattr(Metrics, "measure", watched)
    own = ["data=synthetic", "data.shape=[4]", "data.samples=400", "model=mlp", "model.hidden=[4]", "steps=1"]
    fastrun.train([*own, "batch.size=10", "batch.accumulate=5"], quiet=True)
    run = fastrun.train([*own, "batch.size=10", "batch.eval_size=30"], quiet=True)
    assert max(seen[: seen.index(30)]) == 8
    assert main(["eval", str(run.directory)]) == 0
    assert seen[-2:] == [30, 50 - 30]


class Noisy(Map):
    """A set that draws at random."""

    def __getitem__(self, index: int):
        x, y = super().__getitem__(index)
        return x.float() + torch.randn(x.shape), y


@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:This process .* is multi-threaded")
def test_what_a_users_own_set_draws_at_random_is_the_same_at_each_evaluation():
    samples = Noisy(numbered(300))
    scale = fit_standardize(samples)
    loaders = [EvalLoader(samples, Preparation(scale), CPU, num_workers=workers, seed=5) for workers in (0, 0, 2)]
    values = [everything(loader)[0] for loader in [*loaders, loaders[0]]]
    assert all(torch.equal(value, values[0]) for value in values)
    assert not torch.equal(values[0], everything(EvalLoader(samples, Preparation(scale), CPU, seed=6))[0])
