import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad as padded_by

from fastrun.components.augment.cutout import cut
from fastrun.components.augment.images import Images
from fastrun.components.augment.window import windows
from fastrun.errors import ConfigError

IMAGES = torch.randint(0, 256, (16, 2, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SHAPE, CLASSES = (2, 6, 8), 3
ALL = torch.arange(16)
SOME = {
    "flip": Images(SHAPE, CLASSES, pad=0, flip="random"),
    "crop_flip": Images(SHAPE, CLASSES, pad=2, flip="random"),
    "alternating": Images(SHAPE, CLASSES, pad=2, border="reflect", flip="alternating"),
    "cutout": Images(SHAPE, CLASSES, cutout=3),
}


def one_by_one(x, pad: int, border: str, places):
    """The same as ``windows``, a sample at a time, by slicing."""
    height, width = x.shape[-2:]
    changed = []
    for image, (row, column, mirror) in zip(x, places.tolist(), strict=True):
        mode = "reflect" if border == "reflect" else "constant"
        padded = padded_by(image[None].double(), [pad] * 4, mode=mode)[0].to(x.dtype)
        cropped = padded[:, row : row + height, column : column + width]
        changed.append(cropped.flip(-1) if mirror else cropped)
    return torch.stack(changed)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 3), st.sampled_from(["zeros", "reflect"]), st.integers(0, 2**32), st.booleans(), st.integers(1, 16)
)
def test_windows_are_the_same_as_slicing_sample_by_sample(pad, border, seed, is_float, count):
    x = IMAGES[:count].float() / 3 if is_float else IMAGES[:count]
    random = torch.Generator().manual_seed(seed)
    places = torch.column_stack(
        [torch.randint(2 * pad + 1, (count, 2), generator=random), torch.randint(2, (count,), generator=random)]
    )
    changed = windows(x, pad, border, *places.unbind(1))
    assert changed.dtype == x.dtype
    assert torch.equal(changed, one_by_one(x, pad, border, places))


def test_windows_of_images_that_lie_channels_last_are_the_same():
    places = torch.tensor([[0, 4, 1]] * 16).unbind(1)
    last = IMAGES.to(memory_format=torch.channels_last)
    assert torch.equal(windows(last, 2, "zeros", *places), windows(IMAGES, 2, "zeros", *places))


@pytest.mark.parametrize("side", [1, 2, 3, 6, 20])
def test_cutout_sets_a_square_to_zero_and_no_more(side):
    x = IMAGES.clamp_min(1)
    row, column = torch.arange(16) % 6, torch.arange(16) % 8
    changed = cut(x, side, row, column)
    assert changed.dtype == x.dtype
    for image, before, r, c in zip(changed, x, row.tolist(), column.tolist(), strict=True):
        expected = before.clone()
        expected[:, max(0, r - side // 2) : r - side // 2 + side, max(0, c - side // 2) : c - side // 2 + side] = 0
        assert torch.equal(image, expected)


def test_shifts_are_drawn_from_every_offset_and_no_other():
    draws = Images((1, 8, 8), CLASSES, pad=2).draw(torch.arange(500), 0, 0)
    for column in (0, 1):
        assert draws[:, column].unique().tolist() == [0, 1, 2, 3, 4]
    assert not draws[:, 2].any()


def test_cuts_are_centred_anywhere_in_the_image():
    draws = Images((1, 5, 9), CLASSES, cutout=3).draw(torch.arange(500), 0, 0)
    assert draws[:, 3].unique().tolist() == list(range(5))
    assert draws[:, 4].unique().tolist() == list(range(9))


def test_random_flips_mirror_half_of_the_images_and_others_each_epoch():
    flips = torch.stack([SOME["flip"].draw(torch.arange(4000), 0, epoch)[:, 2] for epoch in range(4)])
    assert ((flips.float().mean(1) > 0.47) & (flips.float().mean(1) < 0.53)).all()
    assert 0.47 < (flips[0] == flips[1]).float().mean() < 0.53


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**40), st.integers(0, 100))
def test_alternating_flips_show_an_image_the_other_way_round_each_epoch(seed, epoch):
    random = torch.Generator().manual_seed(seed)
    seen = []
    for _ in range(3):
        indices = torch.randperm(200, generator=random)
        mirrored = torch.empty(200, dtype=torch.long)
        mirrored[indices] = SOME["alternating"].draw(indices, seed, epoch + len(seen))[:, 2]
        seen.append(mirrored)
    assert torch.equal(seen[0], 1 - seen[1])
    assert torch.equal(seen[0], seen[2])
    assert 0.3 < seen[0].float().mean() < 0.7


@pytest.mark.parametrize(("height", "pad"), [(32, 4), (28, 3), (8, 1), (4, 0)])
def test_the_default_pad_is_an_eighth_of_the_height(height, pad):
    assert Images((3, height, height), CLASSES).pad == pad


def test_everything_off_leaves_the_images_as_they_are():
    augment = Images(SHAPE, CLASSES, pad=0)
    assert torch.equal(augment(IMAGES, augment.draw(ALL, 0, 0)), IMAGES)
    assert augment.mix is None


@pytest.mark.parametrize("augment", SOME.values(), ids=SOME)
def test_a_sample_changes_the_same_way_alone_and_in_a_batch(augment):
    before = IMAGES.clone()
    draws = augment.draw(ALL, 0, 0)
    together = augment(IMAGES, draws)
    alone = [augment(IMAGES[place : place + 1], draws[place : place + 1]) for place in range(16)]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(IMAGES, before)
    assert not torch.equal(together, before)


@pytest.mark.parametrize("augment", SOME.values(), ids=SOME)
def test_draws_follow_seed_and_epoch_alone(augment):
    first, again, other, later = (augment.draw(ALL, *place) for place in ((0, 0), (0, 0), (1, 0), (0, 1)))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, later)


@pytest.mark.parametrize(("border", "pad"), [("reflect", 6), ("zeros", 7)])
def test_a_border_wider_than_the_image_is_refused(border, pad):
    Images(SHAPE, CLASSES, pad=pad - 1, border=border)
    with pytest.raises(ConfigError, match=rf"augment\.pad={pad} is too large"):
        Images(SHAPE, CLASSES, pad=pad, border=border)
