"""What packing can be told, and how errors name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastrun.components.data.picture import Size
from fastrun.errors import DataError, FastrunError

SHARD_BYTES = 64 << 20  # large enough to be read fast over a network, small enough that a window of them fits anywhere

# The readers of folders, texts and tables name the keys of the config; the first that fits a text is replaced.
_NAMES = {
    "data=image_folder with data.skip_bad=true": "--skip-bad",
    "data=image_folder with data.size=N": "--size N",
    "data.skip_bad=true": "--skip-bad",
    "data.val_fraction": "--val-fraction",
    "data.test_fraction": "--test-fraction",
    "data.root=": "",
    "data.root": "SOURCE",
    "data.length=": "--length ",
    "data.length": "--length",
    "data.target=": "--target ",
    "data.target": "--target",
    "data.drop=": "--drop ",
    "data.drop": "--drop",
    "data.categories=": "--categories ",
}


@dataclass(frozen=True)
class PackOptions:
    """How data is packed.

    Attributes:
        size: the height and width that images are cropped at the center and resized to, and kept decoded; None to keep
            the bytes of their files.
        skip_bad: leave out images that cannot be used, instead of failing.
        length: the tokens of a window of a text.
        target: the column of a table that is to be predicted.
        drop: columns of a table to leave out.
        categories: columns of a table that are words whatever they contain.
        val_fraction: the part to validate on; None for the usual one of the kind of data.
        test_fraction: the part to test on; None for the usual one of the kind of data.
        seed: the seed of the split, and of the order of the training samples in the shards.
        shard_bytes: the bytes of a shard, about.
    """

    size: Size | None = None
    skip_bad: bool = False
    length: int = 64
    target: str | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    val_fraction: float | None = None
    test_fraction: float | None = None
    seed: int = 0
    shard_bytes: int = SHARD_BYTES

    def fractions(self, val: float, test: float) -> dict[str, float]:
        """Return the parts to validate and to test on.

        Args:
            val: the part to validate on where none is given.
            test: the part to test on where none is given.
        """
        own = self.val_fraction, self.test_fraction
        return {"val": val if own[0] is None else own[0], "test": test if own[1] is None else own[1]}


@contextmanager
def named_as_options() -> Iterator[None]:
    """Let errors of a block name the options of the command line in place of the keys of the config."""
    try:
        yield
    except FastrunError as error:
        message, hint = _renamed(error.message), _renamed(error.hint or "")
        if (message, hint) == (error.message, error.hint or ""):
            raise
        kind = DataError if isinstance(error, DataError) else type(error)
        raise kind(message, hint or None) from error


def _renamed(text: str) -> str:
    for key, option in _NAMES.items():
        text = text.replace(key, option)
    return text
