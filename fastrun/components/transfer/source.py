"""Reads trained weights from a run, a checkpoint, a file, timm or torchvision, without running code from the files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.components.transfer import pretrained
from fastrun.components.transfer.source_file import find_source
from fastrun.components.transfer.torchvision_weights import PREFIX, weights_of_torchvision
from fastrun.errors import CheckpointError
from fastrun.storage.checkpoint.files import is_in_parts
from fastrun.storage.checkpoint.load import load
from fastrun.storage.checkpoint.state import is_checkpoint, network_weights

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which a file may hold the weights


def read_weights(source: str | None, net: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Read trained weights.

    Args:
        source: a run directory (for its best checkpoint), a checkpoint, a file of weights (.safetensors, or one that
            ``torch.save`` wrote), ``pretrained`` (timm's weights for this network), ``timm:NAME`` or
            ``torchvision:NAME/WEIGHTS``.
        net: the network that the weights are for.

    Returns:
        The weights on the CPU, and their origin for messages.

    Raises:
        ConfigError: there is no source, or timm does not have such weights.
        CheckpointError: there is no such file, or it cannot be read without running code from it.
        DataError: the weights are not on this machine and cannot be downloaded.
    """
    path = find_source(source)
    if source == "pretrained":
        return pretrained.weights_of_network(net)
    if source is not None and source.startswith(PREFIX):
        return weights_of_torchvision(source.removeprefix(PREFIX))
    if path is None:
        return pretrained.weights_of_timm(str(source).removeprefix("timm:"))
    return weights_in(path), str(path)


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file; those of a checkpoint of fastrun are the ones that its run evaluated.

    Raises:
        CheckpointError: the file is damaged, contains no weights, or contains code that would have to be run.
    """
    if is_in_parts(path):
        return network_weights(load(path), str(path))
    content = _load_safetensors(path) if path.suffix == ".safetensors" else _load_torch(path)
    if is_checkpoint(content):
        return network_weights(content, str(path))
    state_dict = _unwrap(content)
    weights = {str(name): value for name, value in state_dict.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(f"{path} holds no weights", "it should hold tensors by their names: a state dict")
    return weights


def _unwrap(content: Any) -> Mapping[Any, Any]:
    """Return the innermost mapping that the wrappers' keys lead to; empty if the content is no mapping."""
    if not isinstance(content, Mapping):
        return {}
    for name in _WRAPPERS:
        if isinstance(content.get(name), Mapping):
            return _unwrap(content[name])
    return content


def _load_torch(path: Path) -> Any:
    """Load a file that torch saved, which may contain tensors and plain values only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the format of files that are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} cannot be read safely: it is damaged, or it contains code to be run",
            "save only the state dict: torch.save(net.state_dict(), …)",
        ) from error
    except Exception as error:  # a damaged file can fail in any way
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    reason = (str(error).splitlines() or [""])[0][:200]
    return CheckpointError(
        f"{path} cannot be read: {type(error).__name__} {reason}", "check that it is a complete file of weights"
    )


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except Exception as error:  # the package raises its own error for a damaged file
        raise _unreadable(path, error) from error
