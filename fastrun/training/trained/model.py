"""A trained model: the network of a checkpoint with the preparation of its inputs, without the training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fastrun.components.data.inputs import InputKind, input_kind
from fastrun.components.data.learned import DataState
from fastrun.components.pipeline.standardize import Standardize
from fastrun.components.task import TargetUnits, Task
from fastrun.components.transfer.lora import add_adapters
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings, from_dict
from fastrun.errors import CheckpointError
from fastrun.storage.checkpoint.load import load, load_small
from fastrun.storage.checkpoint.state import CheckpointState, network_weights
from fastrun.system.seed import seeded
from fastrun.training.builders.model import INIT, construct_network
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.objects import NONE, Objects


@dataclass(frozen=True)
class TrainedNetwork:
    """The network of a checkpoint, and what its run learned from its data.

    Attributes:
        net: the network, on the CPU, in evaluation mode; it takes samples that are prepared and scaled.
        learned: what the run learned from its data.
        settings: the settings of the run.
    """

    net: nn.Module
    learned: DataState
    settings: Settings


def load_network(checkpoint: Path, settings: Settings | None = None, objects: Objects = NONE) -> TrainedNetwork:
    """Load the network of a checkpoint.

    Args:
        checkpoint: the path of the checkpoint.
        settings: the settings of the run; None to take those that the checkpoint holds.
        objects: the model, where the run was given it as an object.

    Raises:
        CheckpointError: the checkpoint cannot be read, is damaged, or holds another network.
        ConfigError: the model cannot be built.
    """
    content = load(checkpoint)
    state = CheckpointState.of(content, str(checkpoint))
    learned = _learned_of(state, checkpoint)
    if settings is None:
        try:
            settings = from_dict(state.config)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{checkpoint} is damaged: {error}", "use another checkpoint") from error
    objects.fitted(settings)
    return rebuild(settings, learned, network_weights(content, str(checkpoint)), str(checkpoint), objects)


def rebuild(
    settings: Settings, learned: DataState, weights: Mapping[str, Tensor], origin: str, objects: Objects = NONE
) -> TrainedNetwork:
    """Build a network and give it its trained weights.

    Args:
        settings: the settings of the run.
        learned: what the run learned from its data.
        weights: the weights by their names in the network.
        origin: the file that they were read from, for messages.
        objects: the model, where the run was given it as an object.

    Raises:
        CheckpointError: the weights are those of another network.
        ConfigError: the model cannot be built.
    """
    with seeded(settings.seed, INIT):  # what the constructor draws and keeps outside of its state dict, as in the run
        net = construct_network(settings, learned, Resolved({}), objects)
    if settings.transfer.kind == "lora":
        add_adapters(net, settings.transfer, settings.seed)
    difference = _difference(net.state_dict(), weights)
    if difference:
        hint = "a run goes on with the network that it began with, and data of the same shape"
        raise CheckpointError(f"{origin} holds another network: {difference}", hint)
    net.load_state_dict(weights)
    if has_own_loss(net):  # it was given the targets in their own unit
        task = learned.task
        learned = replace(learned, task=replace(task, mean=(0.0,) * len(task.mean), std=(1.0,) * len(task.std)))
    return TrainedNetwork(net.eval(), learned, settings)


def _difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
    """Return in words the first difference between the weights of two networks; None if they have the same."""
    for name in here:
        if name not in there:
            return f"it has no {name}, which this network has"
        if here[name].shape != there[name].shape:
            return f"its {name} has the shape {list(there[name].shape)}, that of this network {list(here[name].shape)}"
    extra = next((name for name in there if name not in here), None)
    return f"it has {extra}, which this network does not have" if extra else None


def load_learned(checkpoint: Path) -> DataState:
    """Return what the run of a checkpoint learned from its data.

    Raises:
        CheckpointError: the checkpoint cannot be read or is damaged.
    """
    return _learned_of(CheckpointState.of(load_small(checkpoint), str(checkpoint)), checkpoint)


def _learned_of(state: CheckpointState, checkpoint: Path) -> DataState:
    try:
        return DataState.of(state.data)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint} is damaged: {error}", "use another checkpoint") from error


class TrainedModel(nn.Module):
    """A trained network that prepares its inputs as its run prepared the data.

    Args:
        trained: the network, and what its run learned from its data.

    Attributes:
        net: the network.
        task: what it was trained for.
        classes: the names of its classes or tokens, in the order of its outputs, if they are known.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        learned = trained.learned
        self.net = trained.net
        self.task: Task = learned.task
        self.classes: list[str] | None = learned.classes
        self.settings = trained.settings
        self._kind: InputKind = input_kind(learned)
        self.scaling = Standardize(learned.mean, learned.scale)
        self.units = TargetUnits(learned.task) if learned.task.name == "regression" else nn.Identity()
        self.eval()

    @property
    def takes(self) -> str:
        """Return what the model takes as inputs, in words."""
        return self._kind.describe()

    def extra_repr(self) -> str:
        """Return what ``print(model)`` adds to its modules."""
        return f"takes: {self.takes}"

    def prepare(self, inputs: Any) -> Tensor:
        """Return inputs as the tensor that the run's data would hold, on the CPU: see :attr:`takes`.

        Raises:
            DataError: the inputs are of another kind, shape or range than the model takes.
        """
        return self._kind.prepare(inputs)

    def forward(self, inputs: Any) -> Tensor:
        """Return the outputs of the network.

        Args:
            inputs: a batch of inputs, of one of the kinds that :attr:`takes` lists.

        Returns:
            Logits ``[batch, classes]``, or of several labels ``[batch, labels]``; numbers ``[batch, numbers]`` in the
            unit of the targets; for masks the logits of each pixel, ``[batch, classes, height, width]``; images; or for
            text the logits of each next character, ``[batch, length, characters]``.

        Raises:
            DataError: the inputs are of another kind, shape or range than the model takes.
        """
        x = self.prepare(inputs).to(self.scaling.mean.device)
        outputs: Tensor = self.units(self.net(self.scaling(x)))
        return outputs


def load_model(checkpoint: Path, settings: Settings | None = None, objects: Objects = NONE) -> TrainedModel:
    """Load the model of a checkpoint, on the CPU and in evaluation mode; see :func:`load_network`."""
    return TrainedModel(load_network(checkpoint, settings, objects))
