"""Loads the weights that timm provides for its networks, from its cache or by downloading them."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from fastrun.errors import ConfigError, DataError, nearest

_TIMEOUT = 5.0  # seconds to wait for the server before a download, which itself retries for much longer
_FILE = "model.safetensors"


def weights_of_network(net: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Load timm's weights for a network that timm built.

    Returns:
        The weights, and their origin for messages.

    Raises:
        ConfigError: timm did not build the network, or has no weights for it.
        DataError: the weights are not on this machine and cannot be downloaded.
    """
    configs = [getattr(module, "pretrained_cfg", None) for module in net.modules()]
    config = next((config for config in configs if config), None)
    if config is None:
        raise ConfigError(
            "transfer.source=pretrained works for networks of timm only",
            "use model=timm, or set transfer.source to a run directory or a file of weights",
        )
    tag = config.get("tag")
    return weights_of_timm(f"{config['architecture']}.{tag}" if tag else config["architecture"])


def weights_of_timm(name: str) -> tuple[dict[str, Tensor], str]:
    """Load the weights of a network of timm by its name.

    Args:
        name: the name, with or without a tag: ``resnet18`` or ``resnet18.a1_in1k``.

    Returns:
        The weights, and their origin for messages.

    Raises:
        ConfigError: timm has no network of that name, or no weights for it.
        DataError: the weights are not on this machine and cannot be downloaded.
    """
    timm = _import_timm()
    config = _config_of(timm, name)
    _check_reachable(name, config)
    try:
        with _quiet_hub():
            net = timm.create_model(name, pretrained=True)
    except OSError as error:  # everything that can go wrong on the way to a file
        raise _unavailable(name, config, error) from error
    return dict(net.state_dict()), f"timm:{name}"


def _config_of(timm: Any, name: str) -> Any:
    """Return timm's description of the weights of a network."""
    if not timm.is_model(name):
        raise ConfigError(f"transfer.source=timm:{name}: timm has no such network", nearest(name, timm.list_models()))
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # it has no weights of that tag
        config = None
    if config is None or not config.has_weights:
        known = timm.list_models(f"{name.partition('.')[0]}*", pretrained=True) or timm.list_models(pretrained=True)
        raise ConfigError(f"transfer.source=timm:{name}: timm has no weights for it", nearest(name, known))
    return config


def _import_timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            "transfer.source needs the package timm, which is not installed", "pip install 'fastrun[vision]'"
        ) from error
    return timm


def _check_reachable(name: str, config: Any) -> None:
    """Check that the weights are in the cache or that their server answers, so that a run fails at once without one."""
    address = _address(config)
    if _is_cached(config) or address is None or os.environ.get("HF_HUB_OFFLINE"):
        return
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_TIMEOUT):
            return
    except urllib.error.HTTPError:
        return  # the server answered; the download itself reports what is wrong
    except OSError as error:
        raise _unavailable(name, config, error) from error


def _is_cached(config: Any) -> bool:
    if config.file or config.state_dict:
        return True
    if not config.hf_hub_id:
        return False
    from huggingface_hub import try_to_load_from_cache

    files = [config.hf_hub_filename] if config.hf_hub_filename else [_FILE, "pytorch_model.bin"]
    return any(isinstance(try_to_load_from_cache(config.hf_hub_id, file), str) for file in files)


def _address(config: Any) -> str | None:
    """Return the address of a file of weights, or None if it has none."""
    if config.hf_hub_id:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(config.hf_hub_id, config.hf_hub_filename or _FILE)
    return config.url if isinstance(config.url, str) else None


def _unavailable(name: str, config: Any, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return DataError(
        f"the weights of timm:{name} are not on this machine and cannot be downloaded: {reason}",
        f"download {_address(config)} elsewhere and set transfer.source to that file",
    )


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub's warnings about each attempt to download off the screen."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
