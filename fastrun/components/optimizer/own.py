"""The optimizer that a LightningModule builds in its ``configure_optimizers``."""

from __future__ import annotations

import logging
from typing import Any

from torch import nn
from torch.optim import Optimizer

from fastrun.errors import ConfigError

log = logging.getLogger("fastrun")


def own(net: nn.Module) -> Optimizer:
    """Return the optimizer of a network's ``configure_optimizers``. Its learning-rate scheduler is not used.

    Args:
        net: the network.

    Raises:
        ConfigError: the network has no such method, or builds several optimizers or none.
    """
    name, hint = type(net).__qualname__, "choose another: `fastrun options optimizer`"
    configure = getattr(net, "configure_optimizers", None)
    if not callable(configure) or configure.__module__.startswith(("pytorch_lightning.", "lightning.")):
        raise ConfigError(f"optimizer=own: {name} has no configure_optimizers", hint)
    optimizers, has_scheduler = _parts(configure())
    if len(optimizers) != 1:
        count = f"{len(optimizers)} optimizers" if optimizers else "no optimizer"
        raise ConfigError(f"{name}.configure_optimizers returns {count}, and a run has one", hint)
    if has_scheduler:
        log.warning(f"{name}'s learning-rate scheduler is not used: schedule=… chooses one")
    return optimizers[0]


def _parts(returned: Any) -> tuple[list[Optimizer], bool]:
    """Return the optimizers, and whether there is a scheduler, in any of the forms that Lightning takes."""
    if isinstance(returned, dict):
        return [returned["optimizer"]], "lr_scheduler" in returned
    if isinstance(returned, (list, tuple)):
        if len(returned) == 2 and all(isinstance(part, (list, tuple)) for part in returned):
            return list(returned[0]), bool(returned[1])
        parts = [_parts(part) for part in returned]
        return [one for optimizers, _ in parts for one in optimizers], any(has for _, has in parts)
    return [returned] if isinstance(returned, Optimizer) else [], False
