"""A network that is built from more than the config says: from a file that a hub may have changed by the next time."""

from __future__ import annotations

from typing import Any

from torch import nn


class RecordedNetwork(nn.Module):
    """A network whose run keeps what it was built from, so that it can be built again without that.

    Attributes:
        record: what it was built from, as plain values; the data's ``learned.network`` when it is built again.
        origin: where its trained weights are from, in words; None if it has none.
        fresh: which of its weights were not there, in words; empty if all were.
    """

    record: dict[str, Any]
    origin: str | None
    fresh: str

    def __init__(self, record: dict[str, Any], origin: str | None, fresh: str = "") -> None:
        super().__init__()
        self.record, self.origin, self.fresh = record, origin, fresh
