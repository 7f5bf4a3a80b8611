"""Gradient clipping. All of it stays on the device, so the host never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from fastrun.components.clip.agc import by_unit, head
from fastrun.config.settings import ClipConfig
from fastrun.errors import ConfigError


class Shards(Protocol):
    """Weights that are divided among processes."""

    def clip_by_norm(self, parts: Iterable[nn.Parameter], limit: float) -> Tensor:
        """Scale all gradients together to a norm of ``limit`` at most; return the norm before."""


@dataclass(frozen=True)
class Clipper:
    """Clips gradients in place.

    Attributes:
        clip: clips the gradients of weights, and returns the norm of all of them before clipping, or None.
        has_norm: whether ``clip`` computes that norm.
    """

    clip: Callable[[Sequence[nn.Parameter]], Tensor | None]
    has_norm: bool = True

    def __call__(self, parameters: Sequence[nn.Parameter]) -> Tensor | None:
        """Clip the gradients of weights, and return their norm before clipping, if it is known."""
        return self.clip(parameters)


def build_clipper(config: ClipConfig, net: nn.Module | None = None, shards: Shards | None = None) -> Clipper | None:
    """Return the clipper of a run; None for ``clip=none``.

    Args:
        config: the settings of the group.
        net: the network; ``agc`` does not clip its last linear layer, as in the paper.
        shards: the parts of weights, if they are divided among processes.

    Raises:
        ConfigError: weights are divided, and the option takes them whole.
    """
    if config.kind == "none":
        return None
    if config.kind == "norm" and shards is not None:
        return Clipper(lambda parts: shards.clip_by_norm(parts, config.max))
    if config.kind == "norm":
        return Clipper(lambda parameters: by_norm(parameters, config.max))
    if config.kind == "value":
        return Clipper(lambda parameters: by_value(parameters, config.max), has_norm=False)
    if shards is not None:
        message = "clip=agc takes the norms of whole weights, and device=fsdp divides them among processes"
        raise ConfigError(message, "use clip=norm, or device=ddp")
    exempt = frozenset(head(net)) if net is not None else frozenset()
    return Clipper(lambda parameters: by_unit(parameters, config.max, config.eps, exempt))


def by_norm(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients together so that their 2-norm is at most ``limit``.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".

    Args:
        parameters: weights with their gradients.
        limit: the largest norm.

    Returns:
        The norm before clipping.
    """
    return nn.utils.clip_grad_norm_(parameters, limit)


def by_value(parameters: Sequence[nn.Parameter], limit: float) -> None:
    """Limit each element of the gradients to ``[-limit, limit]``.

    Args:
        parameters: weights with their gradients.
        limit: the largest absolute value.
    """
    nn.utils.clip_grad_value_(parameters, limit, foreach=True)
