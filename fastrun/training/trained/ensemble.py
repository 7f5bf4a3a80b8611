"""The ensemble of several runs: the mean of what their networks predict for the same samples.

Probabilities are averaged, or numbers in the unit of the targets. Source: Lakshminarayanan et al. 2017, "Simple and
scalable predictive uncertainty estimation using deep ensembles", section 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fastrun.components.data.fingerprint import describe_change
from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.pipeline import Batch
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, OutOfMemory
from fastrun.system.free_space import fits_memory, format_mebibytes
from fastrun.training.trained.evaluate import Evaluation, measure
from fastrun.training.trained.model import TrainedNetwork, load_learned
from fastrun.training.trained.outputs import Meaning

_CHUNK = 1024  # samples whose metrics are updated at once
_CPU = torch.device("cpu")
_HINT = "an ensemble needs runs of the same data and classes: measure them one by one"
_OUTPUTS = {"classification": "classes", "language": "characters", "regression": "numbers"}


@dataclass(frozen=True)
class Member:
    """A run whose network belongs to an ensemble.

    Attributes:
        path: its directory.
        settings: its settings.
        checkpoint: the path of its checkpoint.
    """

    path: Path
    settings: Settings
    checkpoint: Path


def check_alike(members: Sequence[Member], *, is_new_data: bool) -> None:
    """Check that an average of what networks predict makes sense.

    Args:
        members: the runs.
        is_new_data: whether they are measured on data that is not their own, so that theirs may differ.

    Raises:
        ConfigError: their tasks, classes, shapes or data differ, or their task is one that has no average.
        CheckpointError: a checkpoint cannot be read.
    """
    first, *others = [load_learned(member.checkpoint) for member in members]
    if first.task.name not in _OUTPUTS:
        raise ConfigError(f"{members[0].path}: the task {first.task.name} has no ensemble", "measure runs one by one")
    for member, other in zip(members[1:], others, strict=True):
        difference = _difference(first, other) or (None if is_new_data else _difference_of_data(first, other))
        if difference is not None:
            raise ConfigError(f"{member.path} {difference} {members[0].path}", _HINT)


def _difference(first: DataState, other: DataState) -> str | None:
    """Return in words what of the inputs and outputs differs, to stand before the name of the first run."""
    own, task = other.task, first.task
    if own.name != task.name:
        return f"predicts {_OUTPUTS.get(own.name, own.name)}, not {_OUTPUTS[task.name]} as"
    if own.outputs != task.outputs:
        return f"predicts {own.outputs} {_OUTPUTS[task.name]}, not {task.outputs} as"
    if other.classes != first.classes:
        return f"has other {_OUTPUTS[task.name]} than"
    if (other.in_shape, other.dtype) != (first.in_shape, first.dtype):
        shape, expected = (f"{learned.dtype} {list(learned.in_shape)}" for learned in (other, first))
        return f"takes samples of {shape}, not {expected} as"
    return None


def _difference_of_data(first: DataState, other: DataState) -> str | None:
    """Return in words what of the data differs, to stand before the name of the first run."""
    if describe_change(first.fingerprint, other.fingerprint):
        return "was trained on other data than"
    is_same = first.split.keys() == other.split.keys() and all(
        torch.equal(indices, other.split[name]) for name, indices in first.split.items()
    )
    return None if is_same else "splits the data in another way than"


class Ensemble:
    """Averages what networks predict for the same samples, one network after another.

    Args:
        members: the runs; see :func:`check_alike`.

    Attributes:
        has_loss: whether the runs have the same loss, so that there is one of their mean.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.settings = members[0].settings
        self.has_loss = all(member.settings.loss == self.settings.loss for member in members)
        self._sum = self._targets = torch.empty(0)
        self._samples: Samples | None = None
        self._learned: DataState | None = None
        self._count = 0

    def watch(self, trained: TrainedNetwork, samples: Samples, outputs: Iterator[Batch]) -> Iterator[Batch]:
        """Yield batches of the next network's outputs and their targets as they are, and add what they predict.

        Raises:
            ConfigError: the network is measured on other samples than the ones before.
            OutOfMemory: the predictions do not fit the memory.
        """
        meaning = Meaning(trained.settings, trained.learned, _CPU)
        if self._learned is None:
            self._learned, self._samples = trained.learned, samples
        elif trained.learned.task != self._learned.task:
            self.has_loss = False  # other targets to train on, so another unit of the loss
        low = 0
        for out, y in outputs:
            predictions, targets = meaning.averaged(out.cpu().double()), y.cpu()
            if self._count == low == 0:
                self._allocate(size_of(samples), predictions, targets)
            place = slice(low, low + len(out))
            if self._count == 0:
                self._targets[place] = targets
            elif size_of(samples) != len(self._targets) or not torch.equal(self._targets[place], targets):
                names = self.members[self._count].path, self.members[0].path
                raise ConfigError(f"{names[0]} is measured on other samples than {names[1]}", _HINT)
            self._sum[place] += predictions
            low += len(out)
            yield out, y
        self._count += 1

    def _allocate(self, samples: int, predictions: Tensor, targets: Tensor) -> None:
        needed = samples * predictions[0].nbytes
        if not fits_memory(needed):
            message = f"the predictions of {samples:,} samples to average take {format_mebibytes(needed)}"
            raise OutOfMemory(f"{message}, more than a quarter of the free memory", "measure the runs one by one")
        self._sum = predictions.new_zeros(samples, *predictions.shape[1:])
        self._targets = targets.new_zeros(samples, *targets.shape[1:])

    def evaluation(self, split: str) -> Evaluation:
        """Return what is found in the mean of the predictions.

        Args:
            split: the name of the split, as it was measured.
        """
        assert self._samples is not None
        assert self._learned is not None
        meaning = Meaning(self.settings, self._learned, _CPU)
        pairs = zip(self._sum.split(_CHUNK), self._targets.split(_CHUNK), strict=True)
        outputs = ((meaning.outputs(total / self._count), y) for total, y in pairs)
        found = measure(self.settings, self._learned, split, self._samples, outputs, _CPU)
        if self.has_loss:
            return found
        return replace(found, metrics={name: value for name, value in found.metrics.items() if name != f"{split}/loss"})
