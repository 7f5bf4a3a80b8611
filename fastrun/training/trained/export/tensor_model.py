"""A trained network as a function of tensors alone, with everything inside that its run did to inputs and outputs."""

from __future__ import annotations

from torch import Tensor, nn

from fastrun.components.pipeline.standardize import Standardize
from fastrun.components.task import TargetUnits
from fastrun.components.test_time_augmentation import averaged_logits
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.trained.model import TrainedNetwork


class TensorModel(nn.Module):
    """What an export computes: the outputs that the run validated, in full precision.

    Args:
        trained: the network, and what its run learned from its data.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        task = trained.learned.task
        self.net = trained.net
        self.scaling = Standardize(trained.learned.mean, trained.learned.scale)
        is_standardized = task.name == "regression" and not has_own_loss(trained.net)
        self.units = TargetUnits(task) if is_standardized else nn.Identity()
        self.views = trained.settings.views
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs for samples.

        Args:
            inputs: ``[batch, …]``, as the run's data holds them.

        Returns:
            Logits ``[batch, classes]``, averaged over the run's ``views``; numbers ``[batch, numbers]`` in the unit of
            the targets; logits of each next token, ``[batch, length, tokens]``; or whatever a LightningModule with a
            loss of its own returns.
        """
        outputs: Tensor = self.units(averaged_logits(self.net, self.scaling(inputs), self.views))
        return outputs
