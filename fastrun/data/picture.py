"""One image file, decoded. It needs no torch, so that a process that only decodes starts fast."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastrun.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]  # [3, height, width]
Side = tuple[int, int]  # height and width

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")  # whatever the name says; EPS would start Ghostscript
_OF_THE_FILE = {None, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR}  # and not of the machine
VISION = "pip install 'fastrun[vision]'"
SKIP_HINT = "repair or remove it; data=image_folder with data.skip_bad=true leaves out such files"


def shown(path: str) -> str:
    """Return a path as text that can be printed and written, whatever bytes it is made of."""
    return path.encode("utf-8", "backslashreplace").decode()


class ImageError(DataError):
    """An image that cannot be used; it keeps its line and its hint where a DataLoader's worker meets it.

    torch raises a worker's error again as ``type(error)(text)``: the text is a traceback, ending with ``str(error)``.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        told, _, told_hint = message.rpartition(f"{__name__}.{type(self).__name__}: ")[2].partition("\nhint: ")
        super().__init__(told, hint or told_hint)
        self.args = (self.show().removeprefix("error: "),)


class BadImage(ImageError):
    """A file that is no image, is damaged, or cannot be used for itself: what ``skip_bad`` leaves out."""


def decode(path: str, side: Side | None = None) -> Pixels:
    """Return an image as uint8 ``[3, height, width]``; with ``side`` its middle, cut to that shape and resized to it.

    Of an animation it is the first picture.

    Raises:
        BadImage: the file is no image, is damaged, may not be read, or has more than 8 bits a channel.
        ImageError: the machine could not read it just now.
        DataError: Pillow is missing.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise DataError("reading images needs Pillow, which is not here", VISION) from error
    try:
        with Image.open(path, formats=_FORMATS) as file:
            image = _colours(file, path, side)
    except (BadImage, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"{shown(path)} cannot be read: it is no image ({' '.join(_FORMATS)})", SKIP_HINT) from error
    except Exception as error:  # broken bytes make Pillow fail in any way
        kind = BadImage if getattr(error, "errno", None) in _OF_THE_FILE else ImageError
        raise kind(f"{shown(path)} cannot be read: {_reason(error)}", SKIP_HINT) from error
    if side is not None:
        image = ImageOps.fit(image, side[::-1], Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or shown(str(error)) or type(error).__name__


def _colours(file: Image, path: str, side: Side | None) -> Image:
    if file.mode[0] in "IF":  # Pillow would cut values at 255 without a word
        raise BadImage(f"{shown(path)} has more than 8 bits a channel", f"convert it to 8 bits, or {SKIP_HINT}")
    if side is not None:  # a photograph's JPEG is 8 times as fast at a fraction of its size, and looks the same
        file.draft("RGB", (2 * side[1], 2 * side[0]))
    return file.convert("RGB")


def check_shape(path: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check that an image has the shape ``[3, height, width]`` of the first.

    Raises:
        ImageError: it has another.
    """
    if tuple(shape) != tuple(expected):
        here, first = ("x".join(map(str, one[1:])) for one in (shape, expected))
        raise ImageError(
            f"{shown(path)} is {here} (height x width), but the first image {first}",
            "data=image_folder with data.size=N brings all to one size",
        )
