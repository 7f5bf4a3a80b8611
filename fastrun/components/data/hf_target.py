"""Reads a target column of the library datasets: classes or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastrun.components.data.class_names import unknown_classes
from fastrun.components.data.learned import DataState
from fastrun.errors import ConfigError, DataError

_MOST_CLASSES = 0.5  # of the rows: with more, words name rows


def read_targets(
    values: Sequence[Any], names: Sequence[str] | None, column: str, learned: DataState | None
) -> tuple[Tensor, list[str] | None]:
    """Return int64 labels and the names of the classes, or float32 numbers and None.

    Args:
        values: the values of the column, none of which is missing.
        names: the names of the classes where the data set has them, and values are their numbers.
        column: the name of the column, for messages.
        learned: what a run learned from its data, whose classes are used again.

    Raises:
        ConfigError: the values are neither words nor numbers.
        DataError: they are all the same, or there is a class that the run does not know.
    """
    kinds = {bool if isinstance(value, bool) else type(value) for value in values}
    if not kinds <= {bool, int, float, str}:
        held = ", ".join(sorted(kind.__name__ for kind in kinds - {bool, int, float, str}))
        raise ConfigError(f"data.target={column} holds {held}", "it must hold words, whole numbers or numbers")
    if float in kinds and not kinds & {str, bool}:
        return _numbers(values, column, learned)
    words = [names[value] if names is not None else str(value) for value in values]
    classes = _sorted(values, names) if learned is None else list(learned.classes or [])
    if learned is not None and learned.classes is None:
        raise DataError(f"data.target={column} holds words such as {words[0]}", "the run learned numbers")
    index = {name: label for label, name in enumerate(classes)}
    if unknown := sorted(set(words) - index.keys()):
        raise unknown_classes(f"data.target={column}", unknown, classes)
    if learned is None and len(set(words)) < 2:
        raise DataError(f"data.target={column} is {words[0]} in every row", "there is nothing to learn")
    if learned is None and names is None and len(classes) > max(2, _MOST_CLASSES * len(words)):
        message = f"data.target={column} has {len(classes)} different values in {len(words)} rows: too many for classes"
        raise ConfigError(message, "choose another column")
    return torch.tensor([index[word] for word in words]), classes


def _sorted(values: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    return list(names) if names is not None else [str(value) for value in sorted(set(values), key=_order)]


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _numbers(values: Sequence[Any], column: str, learned: DataState | None) -> tuple[Tensor, None]:
    if learned is not None and learned.classes is not None:
        raise DataError(f"data.target={column} holds numbers", f"the run learned {len(learned.classes)} classes")
    y = torch.tensor([float(value) for value in values])
    if not y.isfinite().all():
        raise DataError(f"data.target={column} holds NaN or infinite numbers", "leave those rows out")
    return y, None
