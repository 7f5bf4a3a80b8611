"""Mixes the batches of another pipeline by mixup or CutMix."""

from __future__ import annotations

from collections.abc import Generator

from fastrun.components.augment.mix import Mix
from fastrun.components.pipeline import Batch, TrainLoader
from fastrun.components.pipeline.sampler import StatelessSampler


class MixedLoader:
    """Mixes each scaled batch on the device, as a function of the seed and the step.

    Args:
        loader: yields the batches to mix.
        mix: mixes a batch.
        sampler: the sampler of the loader, for its seed and rank.
    """

    def __init__(self, loader: TrainLoader, mix: Mix, sampler: StatelessSampler) -> None:
        self.loader, self.mix, self.sampler = loader, mix, sampler

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end; labels become probabilities ``[batch, classes]``."""
        for x, y in self.loader.batches(step):
            yield self.mix(x, y, self.sampler.seed, step, self.sampler.rank)
            step += 1
