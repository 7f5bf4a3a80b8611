import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from fastrun.components.pipeline import standardize
from fastrun.components.pipeline.standardize import fit_standardize


class Numpy(Dataset):
    """A set that holds arrays, as many do."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x.numpy()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int):
        return self.x[index], index


def random_bytes(*shape: int, low: int = 0, high: int = 256) -> torch.Tensor:
    return torch.randint(low, high, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def of(x: torch.Tensor) -> TensorDataset:
    return TensorDataset(x, torch.zeros(len(x)))


def two_channels() -> torch.Tensor:
    return torch.cat([random_bytes(50, 1, 6, 6, high=100), random_bytes(50, 1, 6, 6, low=200)], 1)


@pytest.mark.parametrize(
    ("x", "axes"), [(two_channels(), (0, 2, 3)), (random_bytes(50, 5), (0,)), (random_bytes(50, 3, 7), (0, 2))]
)
def test_each_channel_gets_mean_0_and_deviation_1(x, axes):
    scaled = fit_standardize(of(x))(x)
    assert scaled.dtype == torch.float32
    assert scaled.shape == x.shape
    assert scaled.mean(axes).abs().max() < 1e-5
    assert scaled.std(axes).tolist() == pytest.approx([1.0] * x.shape[1], rel=1e-4)


def test_a_constant_channel_becomes_zero():
    x = torch.cat([random_bytes(20, 1, 4, 4), torch.full((20, 1, 4, 4), 77, dtype=torch.uint8)], 1)
    scaled = fit_standardize(of(x))(x)
    assert scaled.isfinite().all()
    assert not scaled[:, 1].any()


def test_a_set_of_one_value_is_still_finite():
    x = torch.full((20, 1, 4, 4), 9, dtype=torch.uint8)
    assert not fit_standardize(of(x))(x).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_what_is_not_bytes_passes_as_it_is(dtype):
    x = two_channels().to(dtype)
    assert fit_standardize(of(x))(x) is x


def test_the_input_is_left_as_it_is():
    x = two_channels()
    before = x.clone()
    fit_standardize(of(x))(x)
    assert torch.equal(x, before)


def test_a_very_large_set_is_measured_over_samples_that_are_evenly_spread(monkeypatch):
    monkeypatch.setattr(standardize, "MAX_SAMPLES", 10)
    x = torch.arange(200, dtype=torch.uint8).view(200, 1)
    assert fit_standardize(of(x)).mean.item() == pytest.approx(90.0)  # of 0, 20, …, 180


def test_arrays_are_measured_as_tensors_are():
    x = two_channels()
    arrays, tensors = fit_standardize(Numpy(x)), fit_standardize(of(x))
    assert isinstance(Numpy(x)[0][0], np.ndarray)
    assert torch.equal(arrays.mean, tensors.mean)
    assert torch.equal(arrays.scale, tensors.scale)
