"""The samples with the highest loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fastrun.components.data.sample_names import sample_name
from fastrun.components.data.splits import Samples

_KEPT = 100  # samples

Value = str | float | list[float]


@dataclass(frozen=True)
class WorstSample:
    """A sample with a high loss.

    Attributes:
        index: its index in the split, from 0 on.
        name: its file or row, where the data knows it.
        target: the name of its class, or its number, or all of them where there are several.
        prediction: what is predicted, in the same way.
        loss: minus the logarithm of the probability of its class; for numbers, the mean squared error in standard
            deviations of the training targets.
        probability: how probable the predicted class is; None for numbers.
    """

    index: int
    name: str | None
    target: Value
    prediction: Value
    loss: float
    probability: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return the sample as JSON has it, where a class is called a label."""
        plain = dict(vars(self))
        if self.probability is None:
            del plain["probability"]
            return plain
        return {"label" if key == "target" else key: value for key, value in plain.items()}


def worst_classes(
    samples: Samples, names: list[str], loss: Tensor, labels: Tensor, predictions: Tensor, probabilities: Tensor
) -> list[WorstSample]:
    """Return the samples with the highest loss, the worst first.

    Args:
        samples: the samples.
        names: the names of the classes.
        loss: the loss of each sample, as are the others: ``[samples]``.
        labels: their classes.
        predictions: the classes that are predicted.
        probabilities: the probabilities of these.
    """
    return [
        WorstSample(
            at,
            sample_name(samples, at),
            names[int(labels[at])],
            names[int(predictions[at])],
            float(loss[at]),
            float(probabilities[at]),
        )
        for at in _highest(loss)
    ]


def worst_numbers(samples: Samples, loss: Tensor, targets: Tensor, predictions: Tensor) -> list[WorstSample]:
    """Return the samples with the highest loss, the worst first.

    Args:
        samples: the samples.
        loss: the loss of each sample, ``[samples]``.
        targets: their numbers, ``[samples, numbers]``.
        predictions: the numbers that are predicted, ``[samples, numbers]``.
    """
    return [
        WorstSample(at, sample_name(samples, at), _plain(targets[at]), _plain(predictions[at]), float(loss[at]))
        for at in _highest(loss)
    ]


def _highest(loss: Tensor) -> list[int]:
    """Return the indices of the highest losses, the highest first; of equal ones, the first sample."""
    indices: list[int] = loss.sort(descending=True, stable=True).indices[:_KEPT].tolist()
    return indices


def _plain(numbers: Tensor) -> Value:
    values: list[float] = numbers.tolist()
    return values[0] if len(values) == 1 else values
