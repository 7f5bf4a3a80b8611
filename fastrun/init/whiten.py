"""A first layer that whitens, and convolutions that start as the identity.

Sources: whitening by the eigenvectors of patches, Page 2019, "How to train your ResNet 8", and Jordan 2024; identity
start (Dirac), Zagoruyko & Komodakis 2017, "DiracNets".
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fastrun.errors import ConfigError
from fastrun.init.layers import zero_bias


def whiten(
    net: nn.Module,
    examples: Tensor,
    whitening: bool = True,
    dirac: bool = True,
    eps: float = 5e-4,
    head_std: float | None = None,
) -> None:
    """Set the first convolution to the whitening filters of the examples' patches, frozen; the others to the identity.

    The first layer's bias starts at zero and trains.

    Args:
        net: a network whose first convolution has ``2 * channels * k * k`` filters, with ``whitening``.
        examples: scaled inputs ``[n, channels, height, width]``.
        whitening: the first layer's filters, and their negatives, so that a rectifier after it loses nothing.
        dirac: the first filters of each other convolution pass their channel on; the rest stay as PyTorch has them.
        eps: added to the eigenvalues, so that directions of mere noise are not blown up.
        head_std: the standard deviation to scale the last linear layer's weights to; None leaves them.

    Raises:
        ConfigError: the network has no convolution, its first does not have that many filters, or ``head_std`` is
            asked for and there is no linear layer.
    """
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise ConfigError("init=whiten needs convolutions; this model has none", "use init=auto")
    first, *others = convolutions
    if whitening:
        filters = filters_of(examples, first.kernel_size[0], eps)
        if first.weight.shape != (2 * len(filters), *filters.shape[1:]):
            raise ConfigError(
                f"init=whiten needs a first layer of {2 * len(filters)} filters", "use model=speednet or init=auto"
            )
        with torch.no_grad():
            first.weight.copy_(torch.cat([filters, -filters]))
        first.weight.requires_grad_(False)
        zero_bias(first)
    if dirac:
        for layer in others if whitening else convolutions:
            with torch.no_grad():
                nn.init.dirac_(layer.weight[: layer.in_channels])
            zero_bias(layer)
    if head_std is not None:
        scale_head(net, head_std)


def scale_head(net: nn.Module, std: float) -> None:
    """Scale the weights of the last linear layer, as they are drawn, to a standard deviation."""
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError("init.head_std needs a linear layer; this model has none", "use init.head_std=null")
    with torch.no_grad():
        linear[-1].weight.mul_(std / linear[-1].weight.std())


def filters_of(examples: Tensor, size: int, eps: float) -> Tensor:
    """Return filters ``[channels * size * size, channels, size, size]`` whose outputs on patches are uncorrelated."""
    channels = examples.shape[1]
    patches = examples.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 1, 4, 5)
    patches = patches.reshape(-1, channels * size * size).double()
    covariance = patches.T @ patches / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    filters = (vectors / torch.sqrt(values + eps)).T.flip(0)
    return cast(Tensor, filters.reshape(-1, channels, size, size).float())
