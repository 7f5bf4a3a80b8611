"""Where trained weights come from: a run, a checkpoint, a file of weights, or timm. Nothing in them is ever run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.errors import CheckpointError, ConfigError
from fastrun.rundir import RunDir
from fastrun.transfer import pretrained

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what a file may call the weights beside other things
_OF_RUN = "net."  # what a checkpoint of fastrun puts before the network's names


def read(source: str | None, net: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Return trained weights on the CPU, and what to call them in messages.

    Args:
        source: a run directory (its best checkpoint), a checkpoint, a file of weights (.safetensors, or what torch
            saves), ``pretrained`` (those that timm has for this network) or ``timm:NAME``.
        net: the network that they are for.

    Raises:
        ConfigError: there is no source, or timm does not have such weights.
        CheckpointError: there is no such file, or it cannot be read without running code that it brings.
        DataError: the weights would have to be downloaded, and cannot be.
    """
    if not source:
        raise ConfigError(
            "transfer.source is not set", "give it a run directory, a file of weights, timm:NAME or pretrained"
        )
    if source == "pretrained":
        return pretrained.of_network(net)
    if source.startswith("timm:"):
        return pretrained.of_name(source.removeprefix("timm:"))
    path = Path(source).expanduser()
    if path.is_dir():
        path = best_of(RunDir.open(path))
    if not path.is_file():
        raise CheckpointError(
            f"transfer.source={source}: no such file", "a run directory, a file of weights, timm:NAME or pretrained"
        )
    return weights_in(path), str(path)


def best_of(run: RunDir) -> Path:
    """Return a run's best whole checkpoint, the newest where the best is not known or not there.

    Raises:
        CheckpointError: the run has none.
    """
    newest, _ = run.newest_good()
    best = _content(newest.path)["fastrun"]["tally"]["best"]
    found = [saved for saved in run.saved() if best and saved.step == best["step"] and saved.is_good()]
    return found[0].path if found else newest.path


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file; of a checkpoint of fastrun, those that were evaluated.

    Raises:
        CheckpointError: the file is damaged, holds no weights, or something that would have to be run.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else _content(path)
    if isinstance(content, Mapping) and "fastrun" in content:
        return weights_of(content)
    while isinstance(content, Mapping) and (inner := _wrapped(content)) is not None:
        content = inner
    found = content.items() if isinstance(content, Mapping) else ()
    weights = {str(name): value for name, value in found if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError(f"{path} holds no weights", "it should hold tensors by their names: a state dict")
    return weights


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights that a checkpoint's network is evaluated with: an average of them, where one was kept."""
    averaged: dict[str, Tensor] | None = checkpoint["fastrun"].get("evaluated")
    own = {name: value for name, value in checkpoint["state_dict"].items() if name.startswith(_OF_RUN)}
    return averaged or {name.removeprefix(_OF_RUN): value for name, value in own.items()}


def _wrapped(content: Mapping[str, Any]) -> Any:
    inner = [content[name] for name in _WRAPPERS if isinstance(content.get(name), Mapping)]
    return inner[0] if inner else None


def _content(path: Path) -> Any:
    """Read what torch saved, tensors and plain values only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on the form of files that are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} was not read: it is damaged, or holds more than weights, code to be run",
            "save the state dict alone: torch.save(net.state_dict(), …)",
        ) from error
    except Exception as error:  # a damaged file can fail in any way
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    reason = (str(error).splitlines() or [""])[0][:200]
    return CheckpointError(
        f"{path} cannot be read: {type(error).__name__} {reason}", "is it whole, and a file of weights?"
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ConfigError(f"{path} needs the package safetensors", "pip install 'fastrun[vision]'") from error
    try:
        return load_file(path, device="cpu")
    except Exception as error:  # the package has an error of its own for what is damaged
        raise _unreadable(path, error) from error
