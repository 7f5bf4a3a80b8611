"""Loads the weights that torchvision provides for its networks, from its cache or by downloading them."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastrun.errors import ConfigError, DataError, nearest

PREFIX = "torchvision:"
_TIMEOUT = 5.0  # seconds to wait for the server before a download


def weights_of_torchvision(name: str) -> tuple[dict[str, Tensor], str]:
    """Load the weights of a network of torchvision.

    Args:
        name: the network and its weights, ``resnet18/IMAGENET1K_V1``, or the network alone for the newest.

    Returns:
        The weights, and their origin for messages.

    Raises:
        ConfigError: torchvision is not installed, or has no such network or weights.
        DataError: the weights are not on this machine and cannot be downloaded.
    """
    weights = _find(name)
    origin = f"{PREFIX}{name.partition('/')[0]}/{weights.name}"
    _check_reachable(origin, weights.url)
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: the file is not the one that was asked for
        raise _unavailable(origin, weights.url, error) from error
    return dict(state), origin


def _find(name: str) -> Any:
    """Return torchvision's description of the weights."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: it does not match torch
        reason = str(error).splitlines()[0]
        message = f"transfer.source={PREFIX}{name} needs the package torchvision: {reason}"
        raise ConfigError(message, "pip install 'fastrun[vision]'") from error
    network, _, version = name.partition("/")
    try:
        versions = models.get_model_weights(network)
    except (ValueError, KeyError) as error:
        message = f"transfer.source={PREFIX}{name}: torchvision has no such network"
        raise ConfigError(message, nearest(network, models.list_models())) from error
    known = [one.name for one in versions]
    if version and version not in versions.__members__:
        message = f"transfer.source={PREFIX}{name}: {network} has no such weights"
        raise ConfigError(message, f"it has {', '.join(known)}")
    if not known:
        raise ConfigError(f"transfer.source={PREFIX}{name}: torchvision has no weights for it")
    return versions[version or "DEFAULT"]


def _check_reachable(origin: str, url: str) -> None:
    """Check that the weights are in the cache or that their server answers, so that a run fails at once without one."""
    if (Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]).is_file():
        return
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT):
            return
    except urllib.error.HTTPError:
        return  # the server answered; the download itself says what is wrong
    except OSError as error:
        raise _unavailable(origin, url, error) from error


def _unavailable(origin: str, url: str, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return DataError(
        f"the weights of {origin} are not on this machine and cannot be downloaded: {reason}",
        f"download {url} elsewhere and set transfer.source to that file",
    )
