"""A trained network as a function of tensors alone, with everything inside that its run did to inputs and outputs."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.pipeline.standardize import Standardize
from fastrun.components.task import TargetUnits
from fastrun.components.test_time_augmentation import averaged_logits
from fastrun.training.trained.model import TrainedNetwork


class TensorModel(nn.Module):
    """What an export computes: the outputs that the run validated, in full precision.

    Args:
        trained: the network, and what its run learned from its data.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        learned = trained.learned
        self.net = trained.net
        self.scaling = Standardize(learned.mean, learned.scale)
        self.units = TargetUnits(learned.task) if learned.task.name == "regression" else nn.Identity()
        self.views = trained.settings.views
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs for samples.

        Args:
            inputs: ``[batch, …]``, as the run's data holds them.

        Returns:
            Logits ``[batch, classes]``, averaged over the run's ``views``; numbers ``[batch, numbers]`` in the unit of
            the targets; or logits of each next token, ``[batch, length, tokens]``.
        """
        outputs: Tensor = self.units(averaged_logits(self.net, self.scaling(inputs), self.views))
        return outputs
