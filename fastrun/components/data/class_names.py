"""The names of classes in messages."""

from __future__ import annotations

from fastrun.errors import DataError

_LISTED = 8  # classes that a message names at most


def unknown_classes(origin: str, unknown: list[str], classes: list[str]) -> DataError:
    """Return the error about classes that a run was not trained on.

    Args:
        origin: what has the classes, for the message.
        unknown: the names of these classes, at least one.
        classes: the names of the run's classes.
    """
    listed = ", ".join(unknown[:_LISTED]) + (" …" if len(unknown) > _LISTED else "")
    known = ", ".join(classes[:_LISTED]) + (" …" if len(classes) > _LISTED else "")
    return DataError(f"{origin} has classes that the run was not trained on: {listed}", f"its classes are {known}")
