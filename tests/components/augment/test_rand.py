"""RandAugment's operations against torchvision's, and its draws."""

from __future__ import annotations

from functools import partial
from math import atan, degrees

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.augment import color, warp
from fastrun.components.augment.images import Images
from fastrun.components.augment.rand import OPERATIONS, RandAugment
from fastrun.errors import ConfigError

SIZES = [(1, 28, 28), (3, 32, 32), (3, 17, 40), (1, 8, 8), (3, 224, 224)]


def images(channels: int, height: int, width: int, count: int = 6) -> torch.Tensor:
    """Smooth images, noise, a flat one and one of two values: what the operations treat differently."""
    random = torch.Generator().manual_seed(channels * height)
    ramp = torch.linspace(20, 230, height * width).view(1, 1, height, width).expand(count - 4, channels, -1, -1)
    smooth = ramp + 20 * torch.rand(count - 4, channels, height, width, generator=random)
    noise = torch.randint(0, 256, (1, channels, height, width), generator=random)
    dark = torch.randint(60, 100, (1, channels, height, width), generator=random)
    two = 255 * torch.randint(0, 2, (1, channels, height, width), generator=random)
    return torch.cat([smooth, noise, dark, two, torch.full_like(two, 77)]).to(torch.uint8)


def assert_near(found: torch.Tensor, expected: torch.Tensor, apart: int = 0, share: float = 0.0) -> None:
    """Check that pixels are no more than ``apart`` from what is expected, but for a ``share`` of them."""
    assert found.dtype == expected.dtype == torch.uint8
    assert found.shape == expected.shape
    assert ((found.int() - expected.int()).abs() > apart).float().mean() <= share


def reference():
    return pytest.importorskip("torchvision.transforms.v2.functional")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("level", [0.09, -0.09, 0.3, -0.3])
def test_shears_are_torchvisions(size, level):
    tv, x, (_, *inside) = reference(), images(*size), size
    affine = partial(tv.affine, angle=0, translate=[0, 0], scale=1.0, center=[0, 0])
    for change, shear in ((warp.shear_x, [1, 0]), (warp.shear_y, [0, 1])):
        places = warp.source_pixels(change(level, *inside), *inside).expand(len(x), -1)
        expected = affine(x, shear=[degrees(atan(level)) * one for one in shear])
        assert_near(warp.apply_warp(x, places), expected, share=0.002)  # pixels just between two others


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("level", [0.136, -0.136, 0.45])
def test_shifts_are_torchvisions(size, level):
    tv, x, (_, height, width) = reference(), images(*size), size
    affine = partial(tv.affine, angle=0, scale=1.0, shear=[0.0, 0.0])
    for change, shift in (
        (warp.translate_x, [int(level * width), 0]),
        (warp.translate_y, [0, int(level * height)]),
    ):
        places = warp.source_pixels(change(-level, height, width), height, width).expand(len(x), -1)
        assert_near(warp.apply_warp(x, places), affine(x, translate=shift))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("angle", [9.0, -9.0, 30.0])
def test_turns_are_torchvisions(size, angle):
    tv, x, (_, *inside) = reference(), images(*size), size
    places = warp.source_pixels(warp.rotate(angle, *inside), *inside).expand(len(x), -1)
    assert_near(warp.apply_warp(x, places), tv.rotate(x, angle), share=0.002)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("factor", [0.1, 0.73, 1.0, 1.27, 1.9])
def test_factors_are_torchvisions(size, factor):
    tv, x = reference(), images(*size)
    factors = torch.full((len(x),), factor)
    assert_near(color.contrast(x, factors), tv.adjust_contrast(x, factor), apart=1)
    assert_near(color.saturation(x, factors), tv.adjust_saturation(x, factor), apart=1)
    assert_near(color.sharpness(x, factors), tv.adjust_sharpness(x, factor), apart=1)
    brighter = color.look_up(x, color.brightness(factor).expand(len(x), -1))
    assert_near(brighter, tv.adjust_brightness(x, factor), apart=1)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_operations_without_a_factor_are_torchvisions(size):
    tv, x = reference(), images(*size)
    assert_near(color.equalize(x), tv.equalize(x))
    assert_near(color.autocontrast(x), tv.autocontrast(x), apart=1)
    assert torch.equal(color.autocontrast(x[-1:]), x[-1:])
    for bits in (4, 7, 8):
        assert_near(color.look_up(x, color.posterize(bits).expand(len(x), -1)), tv.posterize(x, bits))
    for threshold in (0.0, 100.5, 178.5, 255.0):
        assert_near(color.look_up(x, color.solarize(threshold).expand(len(x), -1)), tv.solarize(x, threshold))


@pytest.mark.parametrize("ops", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 28, 28), (2, 9, 9), (3, 32, 32)], ids=str)
def test_a_sample_changes_the_same_way_alone_and_in_a_batch(size, ops):
    x = images(*size, count=64)
    before = x.clone()
    augment = Images(size, 10, flip="random", ops=ops)
    draws = augment.draw(torch.arange(64), 0, 0)
    together = augment(x, draws)
    assert torch.equal(together, torch.cat([augment(x[i : i + 1], draws[i : i + 1]) for i in range(64)]))
    assert torch.equal(x, before)


def test_computing_all_images_gives_the_same_as_computing_the_chosen_ones(monkeypatch):
    x = images(3, 32, 32, count=200)
    augment = RandAugment((32, 32), 2, 9)
    draws = augment.draw(200, 0, 0)
    chosen = augment(x, draws)

    def everywhere(chosen, change, x, *arguments):
        return torch.where(chosen.view(-1, 1, 1, 1), change(x, *arguments), x)

    monkeypatch.setattr("fastrun.components.augment.rand._apply_where", everywhere)
    assert torch.equal(augment(x, draws), chosen)


def test_operations_follow_one_another():
    x = images(3, 32, 32)
    augment = RandAugment((32, 32), 2, 9)
    for first in range(OPERATIONS):
        for second in range(OPERATIONS):
            both = augment(x, torch.tensor([[first, second, 0, 1]]).expand(len(x), -1))
            one = augment(x, torch.tensor([[first, 0, 0, 0]]).expand(len(x), -1))
            assert torch.equal(both, augment(one, torch.tensor([[second, 0, 1, 0]]).expand(len(x), -1)))


def test_every_operation_but_the_first_changes_a_photo_and_directions_differ():
    x = images(3, 32, 32)[:2]
    augment = RandAugment((32, 32), 1, 9)
    changed = [[augment(x, torch.tensor([[op, way]] * 2)) for way in (0, 1)] for op in range(OPERATIONS)]
    assert torch.equal(changed[0][0], x)
    assert not any(torch.equal(one, x) for pair in changed[1:] for one in pair)
    signed = [op for op, (one, other) in enumerate(changed) if not torch.equal(one, other)]
    assert len(signed) == 5 + 4  # the warps, and the factors


def test_operations_are_drawn_alike_and_in_both_directions():
    draws = RandAugment((32, 32), 2, 9).draw(14_000, 0, 0)
    counts = torch.stack([column.bincount(minlength=OPERATIONS) for column in draws[:, :2].unbind(1)])
    assert counts.shape == (2, 14)
    assert ((counts > 850) & (counts < 1150)).all()
    assert ((draws[:, 2:].float().mean(0) - 0.5).abs() < 0.02).all()


def test_the_draws_of_the_other_augmentations_stay_as_they_are():
    places = torch.arange(50)
    for options in ({"pad": 2, "flip": "random"}, {"flip": "alternating", "cutout": 3}):
        without = Images((3, 32, 32), 10, **options).draw(places, 3, 4)
        beside = Images((3, 32, 32), 10, **options, ops=2).draw(places, 3, 4)
        assert torch.equal(beside[:, :5], without)
        assert beside.shape == (50, 9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**40), st.integers(0, 50))
def test_draws_follow_seed_and_epoch_alone(seed, epoch):
    augment = RandAugment((8, 8), 2, 9)
    first, again, later = (augment.draw(100, seed, one) for one in (epoch, epoch, epoch + 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_changes_much_at_magnitude_0(size):
    x = images(*size)
    augment = RandAugment(size[1:], 1, 0)
    for operation in range(OPERATIONS - 2):  # autocontrast and equalize have no strength
        changed = augment(x, torch.tensor([[operation, 1]] * len(x)))
        expected = torch.where(x == 255, 0, x) if operation == 8 else x  # solarize turns the brightest round
        assert torch.equal(changed, expected)


def test_images_that_are_no_bytes_are_refused():
    augment = RandAugment((8, 8), 2, 9)
    with pytest.raises(ConfigError, match="needs uint8 images"):
        augment(torch.rand(2, 3, 8, 8), augment.draw(2, 0, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_the_same_images_without_being_waited_for():
    x = images(3, 32, 32, count=200)
    augment = RandAugment((32, 32), 2, 9)
    draws = augment.draw(200, 0, 0)
    expected = augment(x, draws)
    moved, moved_draws = x.cuda(), draws.cuda()
    augment(moved, moved_draws)  # moves the tables
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = augment(moved, moved_draws)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_near(found.cpu(), expected, apart=4, share=0.01)  # products are rounded otherwise, and tables spread that
