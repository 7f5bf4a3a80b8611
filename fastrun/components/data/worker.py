"""A process that decodes images for another one: it reads one task per line and writes the pixels into a file.

``python -m fastrun.components.data.worker`` imports neither torch nor the program of its caller, so it starts in a
fifth of a second whatever the caller has loaded. It ends with the caller, however the caller ends.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastrun.components.data.picture import BadImage, ImageError, Size, check_shape, decode


@dataclass(frozen=True)
class DecodeTask:
    """Images of one shape to decode.

    Attributes:
        paths: the files of the images.
        size: the height and width to resize the images to; None to keep them as they are.
        shape: the shape that each image must have then, ``[3, height, width]``.
        skip_bad: report what is not an image, instead of failing.
        file: the file to write the pixels into; None to only check the images.
        offset: where the pixels start in that file, in bytes.
    """

    paths: list[str]
    size: Size | None
    shape: tuple[int, ...]
    skip_bad: bool
    file: str | None
    offset: int


@dataclass(frozen=True)
class DecodeResult:
    """The result of a task.

    Attributes:
        sums: the checksum of each image's pixels.
        bad: the index and the error message of each bad image.
    """

    sums: list[int]
    bad: list[tuple[int, str]]


def run_task(task: DecodeTask) -> DecodeResult:
    """Decode the images of a task; the pixels of a bad one are zeros.

    Raises:
        ImageError: an image cannot be used.
        OSError: the file cannot be written.
    """
    pixels = np.zeros((len(task.paths), *task.shape), np.uint8)
    bad = []
    for index, path in enumerate(task.paths):
        try:
            image = decode(path, task.size)
        except BadImage as error:
            if not task.skip_bad:
                raise
            bad.append((index, error.message))
            continue
        check_shape(path, image.shape, task.shape)
        pixels[index] = image
    if task.file is not None:
        with open(task.file, "r+b") as file:  # noqa: PTH123 (the name came as text)
            file.seek(task.offset)
            file.write(pixels.data)
    return DecodeResult([zlib.crc32(image.data) for image in pixels], bad)


def respond(line: bytes) -> dict[str, Any]:
    """Run a task that was read as a line of JSON.

    Returns:
        The fields of the result; or ``image`` with the message and hint of an ImageError; or ``system`` with the
        arguments of an OSError.
    """
    fields = json.loads(line)
    size = tuple(fields["size"]) if fields["size"] else None
    task = DecodeTask(**fields | {"shape": tuple(fields["shape"]), "size": size})
    try:
        return asdict(run_task(task))
    except ImageError as error:
        return {"image": [error.message, error.hint]}
    except OSError as error:
        return {"system": [error.errno, error.strerror, error.filename]}


def main() -> None:
    """Run the tasks on standard input until it ends, and write each response as a line of JSON."""
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(respond(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
