"""What a user names to predict for: files, folders and patterns, as sources that are read one by one."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fastrun.components.data.inputs import Images, InputKind, Rows
from fastrun.components.data.listing import IMAGE_SUFFIXES
from fastrun.components.data.text_inputs import WholeTexts
from fastrun.errors import ConfigError, DataError

STDIN = "-"
_TABLES, _ARRAYS = (".csv", ".tsv", ".txt", ".parquet", ".pq"), (".npy",)


@dataclass(frozen=True)
class Source:
    """A file with one sample or several.

    Attributes:
        name: its path, as it was typed or found; ``-`` for standard input.
        kind: what the model takes.
    """

    name: str
    kind: InputKind

    def read(self) -> Tensor:
        """Return its samples as the run's data would hold them, ``[samples, …]``.

        Raises:
            DataError: it is missing or damaged, or of another kind than the model takes.
        """
        if self.name != STDIN and not Path(self.name).is_file():
            problem = "is a folder" if Path(self.name).is_dir() else "does not exist"
            raise DataError(f"{self.name} {problem}")
        if isinstance(self.kind, Rows):
            return _read_table(self.name, self.kind)
        if isinstance(self.kind, WholeTexts):
            return _read_texts(self.name, self.kind)
        if self.name.lower().endswith(_ARRAYS):
            return self.kind.prepare(_read_array(self.name))
        if isinstance(self.kind, Images):
            return self.kind.prepare([self.name])
        raise DataError(f"{self.name} is not an array ({' '.join(_ARRAYS)})", f"the model takes {self.kind.describe()}")

    def names(self, samples: int) -> list[str]:
        """Return a name for each of its samples: a row of a table has its number after the path, from 1 on.

        Args:
            samples: how many it has.
        """
        if samples == 1 and not isinstance(self.kind, (Rows, WholeTexts)):
            return [self.name]
        return [f"{self.name}:{number}" for number in range(1, samples + 1)]


def read_images(sources: Sequence[Source]) -> Tensor | None:
    """Return the samples of image files, a sample each; None where a source is something else.

    Args:
        sources: at least one, all of the same kind.

    Raises:
        DataError: one of them cannot be read.
    """
    kind, names = sources[0].kind, [source.name for source in sources]
    if not isinstance(kind, Images) or any(name.lower().endswith(_ARRAYS) for name in names):
        return None
    return kind.prepare(names)


def find_sources(inputs: Sequence[str], kind: InputKind) -> list[Source]:
    """Return the sources that words name, in their order.

    Args:
        inputs: files, folders, patterns such as ``photos/*.jpg``, or ``-`` for a table on standard input.
        kind: what the model takes.

    Raises:
        DataError: a folder or a pattern has no file.
    """
    return [Source(name, kind) for word in inputs for name in _expand(word, kind)]


def _expand(word: str, kind: InputKind) -> Iterator[str]:
    """Yield the files that a word names; a file that does not exist is one of them, and fails when it is read."""
    path = Path(word)
    if path.is_dir():
        is_table = isinstance(kind, (Rows, WholeTexts))
        suffixes = _TABLES if is_table else IMAGE_SUFFIXES if isinstance(kind, Images) else _ARRAYS
        files = sorted(file for file in path.rglob("*") if file.name.lower().endswith(suffixes) and file.is_file())
        if not files:
            raise DataError(f"{word} has no files to predict for", f"these are taken: {' '.join(suffixes)}")
        yield from map(str, files)
    elif has_magic(word) and not path.exists():
        found = sorted(glob(word, recursive=True))  # noqa: PTH207 (pathlib takes no absolute pattern)
        if not found:
            raise DataError(f"no file matches {word}", "patterns are relative to this folder; ** looks into folders")
        for name in found:
            yield from _expand(name, kind)
    else:
        yield word


def _read_table(name: str, kind: Rows) -> Tensor:
    from fastrun.components.data.frame import read_table

    with _file_of(name) as path:
        if path.suffix.lower() not in _TABLES:
            raise DataError(f"{name} is not a table", f"these are taken: {' '.join(_TABLES)}")
        try:
            return kind.prepare(read_table(path, kind.learned.encoding["missing"]))
        except ConfigError as error:
            raise DataError(error.message, error.hint) from error


def _read_texts(name: str, kind: WholeTexts) -> Tensor:
    """Return the tokens of texts: the lines of a .txt file, else a column of a table."""
    from fastrun.components.data.text_file import read_utf8

    with _file_of(name) as path:
        if path.suffix.lower() == ".txt":
            lines = read_utf8(path).splitlines()
            if not lines:
                raise DataError(f"{name} has no line", f"the model takes {kind.describe()}")
            return kind.prepare(lines)
        if path.suffix.lower() not in _TABLES:
            raise DataError(f"{name} holds no texts", f"the model takes {kind.describe()}")
        from fastrun.components.data.frame import abbreviate, read_table

        table = read_table(path, ())
        if kind.column not in table.columns:
            hint = f"its columns are {abbreviate(table.columns)}"
            raise DataError(f"{name} has no column {kind.column}", hint)
        return kind.prepare(["" if text is None else str(text) for text in table[kind.column].to_list()])


@contextmanager
def _file_of(name: str) -> Iterator[Path]:
    """Yield the path of a source; what standard input says is in a file for the time of the block."""
    if name != STDIN:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory(prefix="fastrun-") as folder:
        path = Path(folder) / "standard-input.csv"
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def _read_array(name: str) -> Any:
    try:
        return np.load(name, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{name} is not an array of numpy: {error}") from error
