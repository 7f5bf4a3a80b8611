import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.augment.crop_flip import CropFlip
from fastrun.augment.flip import Flip
from fastrun.errors import ConfigError

IMAGES = torch.randint(0, 256, (16, 2, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_by_one(x, draws, pad: int):
    """The same as CropFlip, a sample at a time, by slicing."""
    height, width = x.shape[-2:]
    changed = []
    for image, (row, column, mirror) in zip(x, draws.tolist(), strict=True):
        padded = torch.zeros(x.shape[1], height + 2 * pad, width + 2 * pad, dtype=x.dtype)
        padded[:, pad : pad + height, pad : pad + width] = image
        cropped = padded[:, row : row + height, column : column + width]
        changed.append(cropped.flip(-1) if mirror else cropped)
    return torch.stack(changed)


def test_flip_mirrors_exactly_the_images_that_were_drawn():
    draws = torch.tensor([True, False] * 8)
    changed = Flip()(IMAGES, draws)
    assert torch.equal(changed[0::2], IMAGES[0::2].flip(-1))
    assert torch.equal(changed[1::2], IMAGES[1::2])


def test_mirroring_twice_gives_the_images_back():
    flip, draws = Flip(), torch.ones(16, dtype=torch.bool)
    assert torch.equal(flip(flip(IMAGES, draws), draws), IMAGES)


@pytest.mark.parametrize(("p", "low", "high"), [(0.0, 0, 0), (1.0, 1, 1), (0.25, 0.22, 0.28)])
def test_flip_draws_with_its_probability(p, low, high):
    assert low <= Flip(p).draw(4000, source()).float().mean() <= high


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3), st.integers(0, 2**32), st.booleans(), st.integers(1, 16))
def test_crop_is_the_same_as_slicing_sample_by_sample(pad, seed, is_float, count):
    x = IMAGES[:count].float() if is_float else IMAGES[:count]
    crop = CropFlip((2, 6, 8), pad)
    draws = crop.draw(count, source(seed))
    changed = crop(x, draws)
    assert changed.dtype == x.dtype
    assert torch.equal(changed, one_by_one(x, draws, pad))


def test_crop_draws_every_offset_and_no_other():
    draws = CropFlip((1, 8, 8), 2).draw(500, source())
    for column in (0, 1):
        assert draws[:, column].unique().tolist() == [0, 1, 2, 3, 4]
    assert draws[:, 2].unique().tolist() == [0, 1]


@pytest.mark.parametrize(("flip", "mirrored"), [(0.0, 0), (1.0, 200)])
def test_crop_mirrors_with_its_probability(flip, mirrored):
    assert CropFlip((1, 8, 8), 2, flip).draw(200, source())[:, 2].sum() == mirrored


@pytest.mark.parametrize(("height", "pad"), [(32, 4), (28, 3), (8, 1), (4, 0)])
def test_the_default_pad_is_an_eighth_of_the_height(height, pad):
    assert CropFlip((3, height, height)).pad == pad


def test_a_pad_of_zero_leaves_the_images_as_they_are():
    crop = CropFlip((2, 6, 8), 0, 0.0)
    assert torch.equal(crop(IMAGES, crop.draw(16, source())), IMAGES)


def test_the_middle_crop_is_the_image_itself():
    draws = torch.tensor([[2, 2, 0]] * 16)
    assert torch.equal(CropFlip((2, 6, 8), 2)(IMAGES, draws), IMAGES)


@pytest.mark.parametrize("augment", [Flip(), CropFlip((2, 6, 8), 2)], ids=["flip", "crop_flip"])
def test_a_sample_changes_the_same_way_alone_and_in_a_batch(augment):
    before = IMAGES.clone()
    draws = augment.draw(16, source())
    together = augment(IMAGES, draws)
    alone = [augment(IMAGES[place : place + 1], draws[place : place + 1]) for place in range(16)]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("augment", [Flip(), CropFlip((2, 6, 8), 2)], ids=["flip", "crop_flip"])
def test_draws_follow_the_generator_alone(augment):
    first, again, other = (augment.draw(64, source(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_negative_pad_is_refused():
    with pytest.raises(ConfigError, match=r"augment\.pad=-1"):
        CropFlip((1, 8, 8), -1)


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ConfigError):
        Flip(p)
