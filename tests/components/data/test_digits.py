import pytest
import torch

from fastrun.components.data.digits import digits


@pytest.fixture(scope="module")
def parts():
    return digits()


def test_the_images_are_bytes_of_8_by_8_with_16_shades(parts):
    x, y = parts["train"].tensors
    assert (x.dtype, x.shape[1:]) == (torch.uint8, (1, 8, 8))
    assert (x.min(), x.max()) == (0, 16)
    assert (y.dtype, y.unique().tolist()) == (torch.int64, list(range(10)))


def test_all_1797_are_there_split_by_the_fractions(parts):
    sizes = {name: len(parts[name]) for name in ("train", "val", "test")}
    assert sum(sizes.values()) == 1797
    assert sizes["val"] == pytest.approx(0.2 * 1797, abs=10)
    assert sizes["test"] == pytest.approx(0.2 * 1797, abs=10)


def test_each_part_has_all_classes(parts):
    assert parts["classes"] == list("0123456789")
    assert all(len(parts[name].tensors[1].unique()) == 10 for name in ("train", "val", "test"))


def test_the_split_is_the_same_each_time_and_follows_its_seed(parts):
    assert torch.equal(digits()["val"].tensors[0], parts["val"].tensors[0])
    other = digits(split_seed=1)["val"].tensors[0]
    assert other.shape != parts["val"].tensors[0].shape or not torch.equal(other, parts["val"].tensors[0])


def test_without_fractions_everything_trains():
    assert len(digits(val_fraction=0.0, test_fraction=0.0)["train"]) == 1797
