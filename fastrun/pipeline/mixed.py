"""Batches of another pipeline, mixed."""

from __future__ import annotations

from collections.abc import Iterator

from fastrun.augment.mix import Mix
from fastrun.pipeline import Batch, Feed
from fastrun.pipeline.order import Order


class Mixed:
    """Mixes each batch on the device, scaled as it is by then, as a function of the seed and the step."""

    def __init__(self, feed: Feed, mix: Mix, order: Order) -> None:
        self.feed, self.mix, self.order = feed, mix, order

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches of a run from a step on, for ever; labels are probabilities now."""
        for x, y in self.feed.batches(step):
            yield self.mix(x, y, self.order.seed, step, self.order.rank)
            step += 1
