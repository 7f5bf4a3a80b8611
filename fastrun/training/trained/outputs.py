"""What the outputs of a network mean: probabilities of classes or tokens, or numbers in the unit of the targets."""

from __future__ import annotations

import torch
from torch import Tensor

from fastrun.components.data.learned import DataState
from fastrun.components.prediction import Prediction
from fastrun.components.task import TargetUnits
from fastrun.config.settings import Settings


class Meaning:
    """Converts between the outputs of a network and what they predict.

    Args:
        settings: the settings of the run, whose loss decides what an output is trained to be.
        learned: what the run learned from its data.
        device: where the outputs are.
    """

    def __init__(self, settings: Settings, learned: DataState, device: torch.device) -> None:
        self.units: TargetUnits | None = None
        if learned.task.name == "regression":
            self.units = TargetUnits(learned.task).to(device)
        self.loss = settings.loss["_target_"]
        self._predict = Prediction(learned.task, self.loss).to(device)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return what outputs predict, in their shape: probabilities of classes or labels, or numbers."""
        predictions: Tensor = self._predict(outputs)
        return predictions

    def averaged(self, outputs: Tensor) -> Tensor:
        """Return what a mean over networks is taken of: what outputs predict, with nothing cut off."""
        return outputs if self.loss == "mse" and self.units is None else self.predictions(outputs)

    def outputs(self, predictions: Tensor) -> Tensor:
        """Return outputs that predict this, or a mean of :meth:`averaged`: the logits of probabilities, for one."""
        if self.units is not None:
            return self.units.standardize(predictions)
        if self.loss == "bce":
            return torch.logit(predictions, eps=1e-12)
        if self.loss == "mse":
            return predictions
        return predictions.clamp_min(torch.finfo(predictions.dtype).tiny).log()


def output_names(learned: DataState) -> list[str]:
    """Return the name of each output: the classes or tokens, or the numbers that are predicted."""
    count = learned.task.outputs
    if learned.task.name != "regression":
        return list(learned.classes or map(str, range(count)))
    target = str(learned.encoding.get("target", "prediction"))
    return [target] if count == 1 else [f"{target}_{number}" for number in range(count)]
