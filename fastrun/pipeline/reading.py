"""What a data set of the user's raises while it is read, told as an error of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from fastrun.errors import DataError, FastrunError


def read(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader.

    Raises:
        DataError: a sample cannot be read, or does not go into a batch with others.
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
            told = (str(error).strip().splitlines() or [type(error).__name__])[-1]  # of a worker's: its traceback's end
            raise DataError(f"a batch cannot be read: {told}", "--debug shows where") from error
        yield batch
