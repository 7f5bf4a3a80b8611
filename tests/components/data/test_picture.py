"""One image: what comes out of each format, and what is said of a file that is none."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastrun.components.data.picture import BadImage, ImageError, check_shape, decode
from fastrun.errors import DataError

Image = pytest.importorskip("PIL.Image")

FORMATS = ["jpeg", "png", "bmp", "webp", "gif", "tiff"]


def bytes_of(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "TIFF"])
def test_a_lossless_format_gives_its_pixels_channel_by_channel(tmp_path, paint, suffix):
    pixels = paint(tmp_path / f"it.{suffix}", 0, 4, 5)
    found = decode(str(tmp_path / f"it.{suffix}"))
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.uint8, (3, 4, 5), True)
    assert np.array_equal(found.transpose(1, 2, 0), pixels)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_other_colours_become_red_green_and_blue(tmp_path, mode):
    path = tmp_path / f"it.{'jpg' if mode == 'CMYK' else 'png'}"
    Image.new("RGB", (6, 6), "white").convert(mode).save(path)
    assert np.array_equal(decode(str(path)), np.full((3, 6, 6), 255, np.uint8))


def test_of_an_animation_it_is_the_first_picture(tmp_path):
    first, *others = (Image.new("RGB", (6, 6), colour) for colour in ("red", "blue", "green"))
    first.save(tmp_path / "it.gif", save_all=True, append_images=others)
    assert decode(str(tmp_path / "it.gif"))[:, 0, 0].tolist() == [255, 0, 0]


def test_the_content_decides_and_not_the_name(tmp_path, paint):
    pixels = paint(tmp_path / "it.png")
    (tmp_path / "it.png").rename(tmp_path / "it.jpg")
    assert np.array_equal(decode(str(tmp_path / "it.jpg")).transpose(1, 2, 0), pixels)


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [(8, 16, (8, 8)), (16, 8, (8, 8)), (8, 40, (8, 8)), (300, 300, (8, 8)), (8, 40, (8, 16)), (40, 8, (16, 8))],
)
def test_a_side_takes_the_middle(tmp_path, height, width, side):
    pixels = np.zeros((height, width, 3), np.uint8)
    scale = min(height / side[0], width / side[1])
    tall, wide = round(scale * side[0]), round(scale * side[1])
    top, left = (height - tall) // 2, (width - wide) // 2
    pixels[top : top + tall, left : left + wide] = 255
    Image.fromarray(pixels).save(tmp_path / "it.png")
    assert np.array_equal(decode(str(tmp_path / "it.png"), side), np.full((3, *side), 255, np.uint8))


def test_a_large_jpeg_decoded_at_a_fraction_looks_the_same(tmp_path):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)).resize((640, 480))
    smooth.save(tmp_path / "it.jpg", quality=95)
    smooth.save(tmp_path / "it.png")
    small, whole = (decode(str(tmp_path / name), (24, 40)).astype(float) for name in ("it.jpg", "it.png"))
    assert np.abs(small - whole).mean() < 2


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "cut short", "EPS"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, paint, content):
    path = tmp_path / "broken.png"
    paint(path, 0, 40, 40)
    content = path.read_bytes()[:900] if content == "cut short" else content
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" if content == "EPS" else content)
    with pytest.raises(BadImage, match=r"broken.png cannot be read: [^/]*$") as caught:
        decode(str(path))
    assert caught.value.exit_code == 3
    assert "data.skip_bad=true" in caught.value.hint


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    cut=st.integers(0, 400),
    places=st.lists(st.integers(0, 10**6)),
    value=st.binary(min_size=1),
)
def test_whatever_is_wrong_with_a_file_is_told_as_that_of_an_image(tmp_path, form, cut, places, value):
    data = bytearray(bytes_of(form))
    for number, place in enumerate(places):
        data[place % len(data)] = value[number % len(value)]
    path = tmp_path / f"it.{form}"
    path.write_bytes(data[: max(0, len(data) - cut)])
    try:
        found = decode(str(path), (5, 4))
    except BadImage as error:
        assert str(path) in error.message  # noqa: PT017 (both ends are right)
    else:
        assert (found.dtype, found.shape) == (np.uint8, (3, 5, 4))


def test_more_than_8_bits_are_refused_rather_than_cut_off(tmp_path):
    for suffix in ("png", "tif"):
        Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / f"deep.{suffix}")
        with pytest.raises(BadImage, match=rf"deep.{suffix} has more than 8 bits"):
            decode(str(tmp_path / f"deep.{suffix}"))


def test_a_link_to_nothing_and_a_folder_are_no_images(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadImage, match=r"link.png cannot be read: No such file"):
        decode(str(tmp_path / "link.png"))
    with pytest.raises(BadImage, match=r"folder.png cannot be read: Is a directory"):
        decode(str(tmp_path / "folder.png"))


@pytest.mark.parametrize(("number", "is_bad"), [(13, True), (5, False), (24, False)])
def test_what_the_machine_fails_to_do_is_not_the_files_fault(tmp_path, monkeypatch, number, is_bad):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "so it is")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageError, match="so it is") as caught:
        decode(str(tmp_path / "it.png"))
    assert isinstance(caught.value, BadImage) == is_bad


def test_without_pillow_the_way_to_get_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError) as caught:
        decode(str(tmp_path / "it.png"))
    assert caught.value.hint == "pip install 'fastrun[vision]'"


def test_a_photograph_is_turned_as_its_exif_orientation_says(tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees to the right
    Image.fromarray(pixels).save(tmp_path / "it.png", exif=exif)
    turned = decode(str(tmp_path / "it.png"))
    assert turned.shape == (3, 40, 20)
    assert turned[:, :10].min() == 255
    assert turned[:, 10:].max() == 0


def test_another_shape_is_told_with_both():
    check_shape("it.png", (3, 6, 6), (3, 6, 6))
    with pytest.raises(ImageError, match=r"it.png is 6x7 \(height x width\), but the first image is 6x6") as caught:
        check_shape("it.png", (3, 6, 7), (3, 6, 6))
    assert "data.size" in caught.value.hint
    assert not isinstance(caught.value, BadImage)  # skip_bad would leave out all but the first's kind


@pytest.mark.parametrize("kind", [ImageError, BadImage])
def test_an_error_keeps_its_line_and_its_hint_through_a_process(kind):
    error = kind("it is 6x7", "make it 6x6")
    again = kind(f"Caught {kind.__name__} in DataLoader worker process 0.\n{kind.__module__}.{kind.__name__}: {error}")
    for one in (again, pickle.loads(pickle.dumps(error))):
        assert (one.message, one.hint, one.exit_code) == ("it is 6x7", "make it 6x6", 3)


def test_a_missing_file_is_told_without_a_path_twice(tmp_path: Path):
    with pytest.raises(BadImage) as caught:
        decode(str(tmp_path / "gone.png"))
    assert caught.value.message == f"{tmp_path}/gone.png cannot be read: No such file or directory"
