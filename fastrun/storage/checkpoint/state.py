"""What a checkpoint holds. No other file writes, reads or checks it.

A checkpoint is a dict of tensors and plain values, so that nothing in it is ever run. Lightning fills in
``state_dict``, ``optimizer_states`` and ``callbacks``; everything else that a run needs to go on stands under
``fastrun``, as :class:`CheckpointState` lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from torch import Tensor

from fastrun.errors import CheckpointError
from fastrun.storage.format import FORMAT, check_format

_KEY = "fastrun"  # of the CheckpointState in a checkpoint
_NETWORK = "net."  # precedes the names of the network's tensors in Lightning's state_dict


@dataclass
class TrainState:
    """The progress of a run.

    Attributes:
        step: optimizer steps done.
        samples: samples seen.
        best: ``metric``, ``value`` and ``step`` of the best validation; None before the first.
        last: the newest value of each metric, by name.
        target: ``steps``, ``samples``, ``train_seconds`` and ``wall_seconds`` where the target was reached, or None.
        stopped: why the run ended before its last step, or None.
    """

    step: int = 0
    samples: int = 0
    best: dict[str, Any] | None = None
    last: dict[str, float] = field(default_factory=dict)
    target: dict[str, Any] | None = None
    stopped: str | None = None

    def state(self) -> dict[str, Any]:
        """Return the progress as plain data."""
        return asdict(self)

    def load(self, state: Mapping[str, Any]) -> None:
        """Set the progress to what :meth:`state` returned."""
        for name, value in state.items():
            setattr(self, name, value)


@dataclass
class CheckpointState:
    """The part of a checkpoint that Lightning does not write.

    Attributes:
        train_state: what :meth:`TrainState.state` returned.
        world_size: the number of processes.
        clock: the seconds of each phase.
        metrics: what the validation at this step measured; empty where there was none.
        config: the settings of the run as plain values, without secrets.
        data: what the run learned from its data: the state of a ``DataState``.
        scaler: the state of fp16's gradient scaler, or None.
        average: the state of the average of the weights, or None.
        schedule: the state of a schedule that watches validations, or None.
        evaluation_weights: the network's tensors to evaluate with, where they differ from those that train, or None.
        model: what a LightningModule that is the network stores beside its weights, or None.
        format: the format number.
    """

    train_state: dict[str, Any]
    world_size: int
    clock: dict[str, float]
    metrics: dict[str, float]
    config: dict[str, Any]
    data: dict[str, Any]
    scaler: dict[str, Any] | None = None
    average: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None
    evaluation_weights: dict[str, Tensor] | None = None
    model: dict[str, Any] | None = None
    format: int = FORMAT

    def put_into(self, checkpoint: dict[str, Any]) -> None:
        """Add the state to a checkpoint of Lightning, and remove Lightning's own counts, which fastrun does not use."""
        checkpoint.pop("loops", None)
        checkpoint["epoch"] = 0
        checkpoint[_KEY] = dict(vars(self))

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], origin: str = "the checkpoint") -> Self:
        """Return the state that a checkpoint holds.

        Args:
            checkpoint: the content of its file.
            origin: the file that it was read from, for messages.

        Raises:
            CheckpointError: it is not a checkpoint of fastrun, one of another format, or damaged.
        """
        if not is_checkpoint(checkpoint):
            raise CheckpointError(f"{origin} is not a checkpoint of fastrun")
        state = checkpoint[_KEY]
        check_format(state.get("format"), origin, "use the version of fastrun that wrote it, or train again")
        names = [entry.name for entry in fields(cls)]
        missing = [name for name in names if name not in state and not hasattr(cls, name)]
        if missing:
            raise CheckpointError(f"{origin} is damaged: it lacks {', '.join(missing)}", "use another checkpoint")
        return cls(**{name: state[name] for name in names if name in state})


def is_checkpoint(content: Any) -> bool:
    """Say whether the content of a file is a checkpoint of fastrun, of any format."""
    return isinstance(content, Mapping) and isinstance(content.get(_KEY), Mapping)


def network_weights(checkpoint: Mapping[str, Any], origin: str) -> dict[str, Tensor]:
    """Return the weights to evaluate a checkpoint's network with: their average, if the run keeps one.

    Raises:
        CheckpointError: it is not a checkpoint of fastrun, one of another format, or damaged.
    """
    averaged = CheckpointState.of(checkpoint, origin).evaluation_weights
    if averaged:
        return averaged
    tensors = checkpoint["state_dict"].items()
    return {name.removeprefix(_NETWORK): value for name, value in tensors if name.startswith(_NETWORK)}
