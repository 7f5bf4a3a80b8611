"""Errors about samples that keep their message and hint when a worker process of a DataLoader raises them."""

from __future__ import annotations

from fastrun.errors import DataError


class RaisedInWorker(DataError):
    """A sample that cannot be used.

    torch raises the error of a worker process again as ``type(error)(text)``, where the text is a traceback that ends
    with ``str(error)``.

    Args:
        message: the message, or the text that torch makes of an error in a worker process.
        hint: what the user can do about it; None to read it from the text.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        kind = type(self)
        text = message.rpartition(f"{kind.__module__}.{kind.__name__}: ")[2]
        own_message, _, own_hint = text.partition("\nhint: ")
        super().__init__(own_message, hint or own_hint)
        self.args = (self.render().removeprefix("error: "),)
