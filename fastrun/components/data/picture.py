"""Decodes one image file. This module does not import torch, so that a process that only decodes starts fast."""

from __future__ import annotations

import errno
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastrun.components.data.raised_in_worker import RaisedInWorker
from fastrun.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]  # [3, height, width]
Size = tuple[int, int]  # height and width

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")  # whatever the file's name; EPS would start Ghostscript
_FILE_ERRORS = {None, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR}  # others are the machine's
INSTALL_VISION = "pip install 'fastrun[vision]'"
SKIP_HINT = "repair or remove it; data=image_folder with data.skip_bad=true leaves out such files"


def printable(path: str) -> str:
    """Return a path as text that can be printed and written, whatever bytes it consists of."""
    return path.encode("utf-8", "backslashreplace").decode()


class ImageError(RaisedInWorker):
    """An image that cannot be used."""


class BadImage(ImageError):
    """A file that is not an image or cannot be used because of its content; ``skip_bad`` leaves it out."""


def decode(path: str, size: Size | None = None, is_gray: bool = False) -> Pixels:
    """Decode an image file, turned as its EXIF orientation says; the first frame if it is an animation.

    Args:
        path: the file.
        size: height and width of the result, for which the image is cropped at its center and resized; None to keep
            the image as it is.
        is_gray: return one channel instead of three.

    Returns:
        The pixels as uint8 ``[3, height, width]``, or ``[1, height, width]`` of a gray image.

    Raises:
        BadImage: the file is not an image, is damaged, may not be read, or has more than 8 bits per channel.
        ImageError: the machine could not read the file.
        DataError: Pillow is not installed.
    """
    return _decode(path, path, size, is_gray)


def decode_bytes(content: bytes | bytearray, name: str, size: Size | None = None, is_gray: bool = False) -> Pixels:
    """Decode the content of an image file; see :func:`decode`.

    Args:
        content: the bytes of the file.
        name: where they are from, for messages.
        size: height and width of the result; None to keep the image as it is.
        is_gray: return one channel instead of three.
    """
    return _decode(BytesIO(content), name, size, is_gray)


def _decode(source: str | BinaryIO, path: str, size: Size | None, is_gray: bool) -> Pixels:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError("reading images needs Pillow, which is not installed", INSTALL_VISION) from error
    try:
        with Image.open(source, formats=_FORMATS) as file:
            image = _read(file, path, size)
    except (BadImage, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise BadImage(
            f"{printable(path)} cannot be read: it is not an image ({' '.join(_FORMATS)})", SKIP_HINT
        ) from error
    except Exception as error:  # damaged bytes make Pillow fail in any way
        kind = BadImage if getattr(error, "errno", None) in _FILE_ERRORS else ImageError
        raise kind(f"{printable(path)} cannot be read: {_reason(error)}", SKIP_HINT) from error
    return to_pixels(image, size, is_gray)


def to_pixels(image: Image, size: Size | None = None, is_gray: bool = False) -> Pixels:
    """Return the pixels of an image; see :func:`decode`."""
    from PIL.Image import Resampling
    from PIL.ImageOps import fit

    converted = image.convert("L" if is_gray else "RGB")
    if size is not None:
        converted = fit(converted, (size[1], size[0]), Resampling.BILINEAR)
    pixels = np.asarray(converted)
    return np.ascontiguousarray(pixels[np.newaxis] if is_gray else pixels.transpose(2, 0, 1))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or printable(str(error)) or type(error).__name__


def _read(file: Image, path: str, size: Size | None) -> Image:
    """Decode a file and turn the image as its EXIF orientation says, which most cameras write."""
    from PIL.ImageOps import exif_transpose

    if file.mode[0] in "IF":  # Pillow would clip values at 255 without a warning
        raise BadImage(f"{printable(path)} has more than 8 bits per channel", f"convert it to 8 bits, or {SKIP_HINT}")
    if size is not None:  # decoding a large JPEG at a fraction of its size is 8 times as fast and looks the same
        file.draft("RGB", (2 * max(size), 2 * max(size)))
    file.load()
    return exif_transpose(file)


def check_shape(path: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check that an image has the shape of the first image.

    Args:
        path: the file of the image.
        shape: the shape of the image, ``[3, height, width]``.
        expected: the shape of the first image.

    Raises:
        ImageError: the shapes differ.
    """
    if tuple(shape) != tuple(expected):
        own, first = ("x".join(map(str, one[1:])) for one in (shape, expected))
        raise ImageError(
            f"{printable(path)} is {own} (height x width), but the first image is {first}",
            "data=image_folder with data.size=N resizes all images to one size",
        )
