"""What a run learned from its data, which each of its checkpoints keeps.

A trained network depends on how its inputs were prepared: the scaling, the encoding of columns, the names of classes,
the vocabulary. All of it is measured on the training data, so it must not be measured again on other data, and the
split into training, validation and test must stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from fastrun.components.task import Task

NEW = "new"
"""The name of the only part of data that is not the run's own."""


@dataclass(frozen=True)
class DataState:
    """What a run learned from its data, as plain values and tensors.

    Attributes:
        in_shape: the shape of a sample, without the batch.
        dtype: the type of a sample's numbers, such as ``uint8``.
        task: the task; for numbers, with the mean and deviation of the training targets.
        classes: the names of the labels or tokens, if they are known.
        encoding: how a data factory makes samples. What it holds is known to the factory, and to
            :mod:`fastrun.components.data.inputs`, which makes samples of what a user has.
        split: the samples of each split except ``train``, which has the rest; empty if the factory does not say.
        fingerprint: which data it was; see :mod:`fastrun.components.data.fingerprint`.
        mean: the mean of each channel, of a shape that broadcasts with a sample.
        scale: 1 / the standard deviation of each channel.
        network: what a network was built from that the config does not say; see
            :class:`fastrun.components.model.recorded.RecordedNetwork`.
        is_paired: whether samples are pairs of an input and a target; others reach the network as they are.
        is_new: whether a factory is to prepare data that is not the run's own, as a single part named :data:`NEW`.
    """

    in_shape: tuple[int, ...]
    dtype: str
    task: Task
    classes: list[str] | None
    fingerprint: dict[str, Any]
    mean: Tensor
    scale: Tensor
    encoding: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Tensor] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    is_paired: bool = True
    is_new: bool = False

    @property
    def is_text(self) -> bool:
        """Say whether the samples are tokens."""
        return self.tokenizer is not None or self.task.name == "language"

    @property
    def tokenizer(self) -> dict[str, Any] | None:
        """Return the state of the tokenizer that made the samples; None where they are no text, or characters alone."""
        state: dict[str, Any] | None = self.encoding.get("tokenizer")
        return state

    def state(self) -> dict[str, Any]:
        """Return the state as plain values and tensors, from which :meth:`of` makes it again."""
        return {**vars(self), "task": asdict(self.task)}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Return the state that :meth:`state` described."""
        task = Task(**state["task"])
        return cls(**{**state, "in_shape": tuple(state["in_shape"]), "task": task})

    def split_indices(self, count: int) -> dict[str, Tensor]:
        """Return the indices of the samples in each split.

        Args:
            count: the number of samples.

        Returns:
            The indices of each split, ascending; those of all samples as :data:`NEW` if the data is new.
        """
        if self.is_new:
            return {NEW: torch.arange(count)}
        is_train = torch.ones(count, dtype=torch.bool)
        parts = {name: indices.long()[indices < count] for name, indices in self.split.items()}
        for indices in parts.values():
            is_train[indices] = False
        return {"train": is_train.nonzero().squeeze(1), **parts}
