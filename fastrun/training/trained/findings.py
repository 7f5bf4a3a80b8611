"""What an evaluation finds beside the metrics: results by class, residuals, and the samples that are worst."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import Samples
from fastrun.components.pipeline import Batch
from fastrun.config.settings import Settings
from fastrun.training.trained.by_class import ByClass, results_by_class
from fastrun.training.trained.outputs import Meaning, output_names
from fastrun.training.trained.residuals import Residuals, describe_residuals
from fastrun.training.trained.worst import WorstSample, worst_classes, worst_numbers


@dataclass(frozen=True)
class Findings:
    """What was found beside the metrics; all of it is empty for text.

    Attributes:
        by_class: the results by class; None for a task without classes.
        residuals: the residuals of each number; empty for a task without numbers.
        worst: the samples with the highest loss, the worst first.
    """

    by_class: ByClass | None = None
    residuals: list[Residuals] = field(default_factory=list)
    worst: list[WorstSample] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return what was found as JSON has it."""
        plain = {} if self.by_class is None else self.by_class.plain()
        if self.residuals:
            plain["residuals"] = [one.plain() for one in self.residuals]
        if self.worst:
            plain["worst"] = [one.plain() for one in self.worst]
        return plain


class Collector:
    """Keeps what is needed of a network's outputs while its metrics are computed from them.

    Args:
        settings: the settings of the run.
        learned: what the run learned from its data.
    """

    def __init__(self, settings: Settings, learned: DataState) -> None:
        self._meaning = Meaning(settings, learned, torch.device("cpu"))
        self._names = output_names(learned)
        self._kind = _KINDS.get(learned.task.name)
        self._parts: list[tuple[Tensor, ...]] = []

    def watch(self, outputs: Iterable[Batch]) -> Iterator[Batch]:
        """Yield batches of outputs and targets as they are, and keep what is needed of each."""
        for out, y in outputs:
            if self._kind is not None:
                self._parts.append(self._kind[0](self._meaning, out.cpu().double(), y.cpu()))
            yield out, y

    def findings(self, samples: Samples) -> Findings:
        """Return what was found in all that was watched: the outputs for these samples."""
        if self._kind is None:
            return Findings()
        return self._kind[1](samples, self._names, *map(torch.cat, zip(*self._parts, strict=True)))


def _reduce_classes(meaning: Meaning, out: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Return the loss, the label, the prediction, and the probability of the prediction, each ``[batch]``."""
    probabilities, predicted = meaning.predictions(out), out.argmax(1)
    of_label, of_predicted = (probabilities.gather(1, at.unsqueeze(1)).squeeze(1) for at in (y, predicted))
    return -of_label.clamp_min(torch.finfo(of_label.dtype).tiny).log(), y, predicted, of_predicted


def _find_classes(
    samples: Samples, names: list[str], loss: Tensor, labels: Tensor, predicted: Tensor, probability: Tensor
) -> Findings:
    worst = worst_classes(samples, names, loss, labels, predicted, probability)
    return Findings(by_class=results_by_class(labels.numpy(), predicted.numpy(), names), worst=worst)


def _reduce_numbers(meaning: Meaning, out: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Return the loss ``[batch]``, the targets and the predictions ``[batch, numbers]``."""
    targets = y.double().view(out.shape)
    return (out - meaning.outputs(targets)).square().mean(1), targets, meaning.predictions(out)


def _find_numbers(samples: Samples, names: list[str], loss: Tensor, targets: Tensor, predictions: Tensor) -> Findings:
    residuals = describe_residuals(predictions.numpy(), targets.numpy(), names)
    return Findings(residuals=residuals, worst=worst_numbers(samples, loss, targets, predictions))


_Reduce = Callable[[Meaning, Tensor, Tensor], tuple[Tensor, ...]]
_KINDS: dict[str, tuple[_Reduce, Callable[..., Findings]]] = {
    "classification": (_reduce_classes, _find_classes),
    "regression": (_reduce_numbers, _find_numbers),
}
