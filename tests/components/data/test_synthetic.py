import pytest
import torch

from fastrun.components.data.synthetic import synthetic
from fastrun.errors import ConfigError


def everything(**arguments) -> tuple[torch.Tensor, torch.Tensor]:
    return synthetic(val_fraction=0, test_fraction=0, **arguments)["train"].tensors


@pytest.mark.parametrize("shape", [(5,), (1, 4, 4), (3, 2, 6)])
def test_samples_are_bytes_of_the_shape_that_was_asked_for(shape):
    x, y = everything(samples=30, shape=shape, classes=3)
    assert (x.dtype, x.shape) == (torch.uint8, (30, *shape))
    assert torch.bincount(y).tolist() == [10, 10, 10]


def test_the_fractions_are_cut_off():
    parts = synthetic(samples=96, shape=(2,), classes=4, val_fraction=0.25, test_fraction=0.125)
    assert {name: len(parts[name]) for name in ("train", "val", "test")} == {"train": 60, "val": 24, "test": 12}
    assert parts["classes"] == ["0", "1", "2", "3"]


def test_without_noise_the_samples_of_a_class_are_its_prototype():
    x, y = everything(samples=20, shape=(1, 4, 4), classes=2, noise=0.0)
    assert [len(x[y == label].unique(dim=0)) for label in (0, 1)] == [1, 1]
    assert len(x.unique(dim=0)) == 2


def test_more_noise_brings_the_classes_nearer_to_each_other_than_to_themselves():
    def separation(noise: float) -> float:
        x, y = everything(samples=400, shape=(8,), classes=2, noise=noise)
        x = x.float()
        between = (x[y == 0].mean(0) - x[y == 1].mean(0)).norm()
        return (between / x[y == 0].std(0).norm()).item()

    assert separation(0.1) > 5 * separation(1.0) > 5 * separation(10.0)


def test_the_seed_alone_decides_on_the_samples():
    first, again, other = (everything(samples=8, shape=(4,), split_seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_without_a_shape_are_refused():
    with pytest.raises(ConfigError, match=r"data\.shape=\[\] is empty"):
        synthetic(shape=())
