import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

from fastrun.components.pipeline import evaluation
from fastrun.components.pipeline.evaluation import EvalLoader
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
    x, y = everything(EvalLoader(samples if kind is TensorDataset else Map(samples), scale, CPU))
    assert y.tolist() == list(range(count))
    assert torch.equal(x, scale(samples.tensors[0]))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 100), st.integers(1, 4), st.sampled_from([TensorDataset, Map]))
def test_split_over_ranks_each_sample_is_still_seen_once(count, world, kind):
    samples = numbered(count)
    given_samples = samples if kind is TensorDataset else Map(samples)
    parts = [EvalLoader(given_samples, fit_standardize(samples), CPU, rank, world) for rank in range(world)]
    seen = [[label for _, y in part for label in y.tolist()] for part in parts]
    assert sorted(label for part in seen for label in part) == list(range(count))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


@pytest.mark.parametrize("kind", [TensorDataset, Map])
def test_a_set_can_be_gone_through_again_and_again(kind):
    samples = numbered(10)
    batches = EvalLoader(samples if kind is TensorDataset else Map(samples), fit_standardize(samples), CPU)
    assert [y.tolist() for _, y in batches] == [y.tolist() for _, y in batches] == [list(range(10))]


def test_batches_are_as_large_as_fits_the_cache_and_64_at_least(monkeypatch):
    samples = numbered(200)
    assert [len(y) for _, y in EvalLoader(samples, fit_standardize(samples), CPU)] == [200]
    monkeypatch.setattr(evaluation, "BATCH_BYTES", 100 * 9 * 4)
    assert [len(y) for _, y in EvalLoader(samples, fit_standardize(samples), CPU)] == [100, 100]
    monkeypatch.setattr(evaluation, "BATCH_BYTES", 1)
    assert [len(y) for _, y in EvalLoader(samples, fit_standardize(samples), CPU)] == [64, 64, 64, 8]
