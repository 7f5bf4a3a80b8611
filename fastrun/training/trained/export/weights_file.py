"""The weights of a network as a safetensors file; a description beside it says how the network is built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fastrun.components.data.learned import DataState
from fastrun.config.settings import Settings
from fastrun.errors import CheckpointError, ConfigError
from fastrun.redaction import redact
from fastrun.storage.atomic import storage_errors
from fastrun.training.trained.export.formats import FORMATS
from fastrun.training.trained.model import TrainedNetwork, rebuild

SUFFIX = ".safetensors"

_SETTINGS = "seed", "model", "norm", "loss", "views"  # what the network and its outputs depend on
_LEARNED = "in_shape", "dtype", "classes", "fingerprint", "network"
_HINT = "`fastrun export RUN --to safetensors` writes both"


def describe(trained: TrainedNetwork) -> dict[str, Any]:
    """Return what is needed to build a network again, and to prepare its inputs, as plain values."""
    learned = trained.learned
    return {
        "settings": {name: redact(getattr(trained.settings, name)) for name in _SETTINGS},
        "learned": {
            **{name: getattr(learned, name) for name in _LEARNED},
            "task": asdict(learned.task),
            "mean": learned.mean.tolist(),
            "scale": learned.scale.tolist(),
            "encoding": {name: value for name, value in learned.encoding.items() if _is_plain(value)},
        },
    }


def write(trained: TrainedNetwork) -> bytes:
    """Return the weights of a network, by their names in it, as the content of a file.

    Raises:
        ConfigError: the network has something else than weights in its state.
    """
    from safetensors.torch import save

    try:  # copies, since weights that are shared are refused
        copies = {name: value.clone().contiguous() for name, value in trained.net.state_dict().items()}
        content: bytes = save(copies)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"the weights cannot be written: {error}", "try --to torch") from error
    return content


def read(content: bytes, description: Mapping[str, Any], origin: str) -> TrainedNetwork:
    """Return the network of a file.

    Args:
        content: the content of the file.
        description: what :func:`describe` returned.
        origin: the file, for messages.

    Raises:
        CheckpointError: the file or its description is damaged.
        ConfigError: the model cannot be built.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        settings = Settings(**{name: description["settings"][name] for name in _SETTINGS})
        learned = _learned(description["learned"])
        weights = load(content)
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{origin} or the file beside it is damaged: {error}", _HINT) from error
    return rebuild(settings, learned, weights, origin)


def load_file(path: Path) -> TrainedNetwork:
    """Load the network of a file, whose description is beside it, with the same name and the ending ``.json``.

    Raises:
        CheckpointError: one of both is missing or damaged.
        ConfigError: the model cannot be built, or safetensors is not installed.
    """
    FORMATS["safetensors"].check_installed(str(path))
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise CheckpointError(f"{path} has no {beside.name} beside it, which says what its network is", _HINT)
    with storage_errors(path, "read"):
        content, text = path.read_bytes(), beside.read_bytes()
    try:
        description = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{beside} is damaged: {error}", _HINT) from error
    return read(content, description, str(path))


def _learned(state: Mapping[str, Any]) -> DataState:
    task = {name: tuple(value) if isinstance(value, list) else value for name, value in state["task"].items()}
    tensors = {name: torch.tensor(state[name], dtype=torch.float32) for name in ("mean", "scale")}
    return DataState.of({**state, **tensors, "task": task})


def _is_plain(value: Any) -> bool:
    """Say whether JSON can hold a value; what a data set of the user's own keeps for itself may be anything."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
