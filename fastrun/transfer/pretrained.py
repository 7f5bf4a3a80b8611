"""The weights that timm has for its networks: from its cache, else downloaded, else told where to get them."""

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

_SECONDS = 5.0  # to wait for a sign of life before a download: the download itself tries again and again
_FILE = "model.safetensors"


def of_network(net: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Return timm's weights for a network that timm built, and their name.

    Raises:
        ConfigError: timm did not build it, or has no weights for it.
        DataError: they are not here and cannot be downloaded.
    """
    configs = [getattr(module, "pretrained_cfg", None) for module in net.modules()]
    config = next((config for config in configs if config), None)
    if config is None:
        raise ConfigError(
            "transfer.source=pretrained: there are such weights for networks of timm only",
            "use model=timm, or another transfer.source: a run directory or a file of weights",
        )
    tag = config.get("tag")
    return of_name(f"{config['architecture']}.{tag}" if tag else config["architecture"])


def of_name(name: str) -> tuple[dict[str, Tensor], str]:
    """Return the weights of a network of timm by its name, such as ``resnet18`` or ``resnet18.a1_in1k``.

    Raises:
        ConfigError: timm has no network of that name, or no weights for it.
        DataError: they are not here and cannot be downloaded.
    """
    timm = _timm()
    if not timm.is_model(name):
        raise ConfigError(f"transfer.source=timm:{name}: timm has no such network", nearest(name, timm.list_models()))
    try:
        found = timm.get_pretrained_cfg(name)
    except RuntimeError:  # it has no weights of that tag
        found = None
    if found is None or not found.has_weights:
        known = timm.list_models(f"{name.partition('.')[0]}*", pretrained=True) or timm.list_models(pretrained=True)
        raise ConfigError(f"transfer.source=timm:{name}: timm has no weights for it", nearest(name, known))
    _check_within_reach(name, found)
    try:
        with _quiet():
            net = timm.create_model(name, pretrained=True)
    except OSError as error:  # all that goes wrong on the way to a file
        raise _not_here(name, found, error) from error
    return dict(net.state_dict()), f"timm:{name}"


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            "transfer.source: timm's weights need the package timm", "pip install 'fastrun[vision]'"
        ) from error
    return timm


def _check_within_reach(name: str, found: Any) -> None:
    """Raise at once where weights are neither in the cache nor to be had, as without a network."""
    address = _address(found)
    if _is_cached(found) or address is None or os.environ.get("HF_HUB_OFFLINE"):
        return
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # somebody answered
    except OSError as error:
        raise _not_here(name, found, error) from error


def _is_cached(found: Any) -> bool:
    if found.file or found.state_dict:
        return True
    if not found.hf_hub_id:
        return False
    from huggingface_hub import try_to_load_from_cache

    files = [found.hf_hub_filename] if found.hf_hub_filename else [_FILE, "pytorch_model.bin"]
    return any(isinstance(try_to_load_from_cache(found.hf_hub_id, file), str) for file in files)


def _address(found: Any) -> str | None:
    """Return where a file of weights lies, None where there is no address."""
    if found.hf_hub_id:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(found.hf_hub_id, found.hf_hub_filename or _FILE)
    return found.url if isinstance(found.url, str) else None


def _not_here(name: str, found: Any, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return DataError(
        f"the weights of timm:{name} are not here and cannot be downloaded: {reason}",
        f"fetch {_address(found)} where there is a network, and set transfer.source to that file",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's account of every attempt from the user's screen."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
