"""A process that decodes images for another: it reads a task a line, and writes the pixels straight into a file.

``python -m fastrun.data.worker`` imports neither torch nor the caller's program, so it starts in a fifth of a second
whatever the caller has loaded, and it ends with the caller, however that ends.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastrun.data.picture import BadImage, ImageError, Side, check_shape, decode


@dataclass(frozen=True)
class Task:
    """Images to decode, all of one shape.

    Attributes:
        paths: their files.
        side: the height and width to bring them to; None: as they are.
        shape: what each must be, ``[3, height, width]``.
        skip_bad: note what is no image, instead of ending there.
        file: where their bytes go, from ``offset`` on; None: nowhere, they are only tried.
        offset: in bytes.
    """

    paths: list[str]
    side: Side | None
    shape: tuple[int, ...]
    skip_bad: bool
    file: str | None
    offset: int


@dataclass(frozen=True)
class Done:
    """What became of a task: each image's checksum, and of those that are bad, the place and why."""

    sums: list[int]
    bad: list[tuple[int, str]]


def done(task: Task) -> Done:
    """Decode the images of a task; a bad one's place is filled with zeros.

    Raises:
        ImageError: an image cannot be used.
        OSError: the file cannot be written.
    """
    pixels = np.zeros((len(task.paths), *task.shape), np.uint8)
    bad = []
    for place, path in enumerate(task.paths):
        try:
            image = decode(path, task.side)
        except BadImage as error:
            if not task.skip_bad:
                raise
            bad.append((place, error.message))
            continue
        check_shape(path, image.shape, task.shape)
        pixels[place] = image
    if task.file is not None:
        with open(task.file, "r+b") as file:  # noqa: PTH123 (a name that came as text)
            file.seek(task.offset)
            file.write(pixels.data)
    return Done([zlib.crc32(image.data) for image in pixels], bad)


def answer(line: bytes) -> dict[str, Any]:
    """Return what to write for a task that was read."""
    told = json.loads(line)
    task = Task(**told | {"shape": tuple(told["shape"]), "side": tuple(told["side"]) if told["side"] else None})
    try:
        return asdict(done(task))
    except ImageError as error:
        return {"image": [error.message, error.hint]}
    except OSError as error:
        return {"system": [error.errno, error.strerror, error.filename]}


def main() -> None:
    """Do the tasks of stdin until it ends."""
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
