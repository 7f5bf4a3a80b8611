"""Reports what a user's data set raises while it is read as a DataError."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from fastrun.errors import DataError, FastrunError


def read_batches(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader.

    Raises:
        DataError: a sample cannot be read, or cannot be put into a batch with others.
    """
    batches = iter(loader)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (FastrunError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise DataError(f"a batch cannot be read: {_last_line(error)}", "--debug shows the traceback") from error
        yield batch


def _last_line(error: Exception) -> str:
    """Return the last line of an error: the error of a worker process contains its whole traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
