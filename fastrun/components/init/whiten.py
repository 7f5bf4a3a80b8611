"""A first layer that whitens its inputs, and convolutions that start as the identity.

Sources: whitening by the eigenvectors of patches, Page 2019, "How to train your ResNet 8", and Jordan 2024; identity
start (Dirac), Zagoruyko & Komodakis 2017, "DiracNets".
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fastrun.components.init.gains import Gain
from fastrun.components.init.layers import zero_bias
from fastrun.config.constraints import Positive
from fastrun.errors import ConfigError


def whiten(
    net: nn.Module,
    examples: Tensor,
    whitening: bool = True,
    dirac: bool = True,
    eps: Positive = 5e-4,
    head_std: Gain | None = None,
) -> None:
    """Set the first convolution to whitening filters, which are then frozen, and the others to the identity.

    The bias of the first layer starts at zero and is trained.

    Args:
        net: the network; with ``whitening``, its first convolution must have ``2 * channels * k * k`` filters.
        examples: scaled inputs ``[n, channels, height, width]``.
        whitening: set the first layer to whitening filters of the examples' patches and their negatives, so that a
            rectifier after it loses nothing.
        dirac: let the first filters of each other convolution pass on their channel; the rest are left unchanged.
        eps: added to the eigenvalues, so that directions with only noise are not amplified.
        head_std: scale the last linear layer's weights to this standard deviation; None leaves them unchanged.

    Raises:
        ConfigError: the network has no convolution, its first one has another number of filters, or there is no linear
            layer for ``head_std``.
    """
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise ConfigError("init=whiten needs convolutions; this model has none", "use init=auto")
    first, *others = convolutions
    if whitening:
        _whiten(first, examples, eps)
    if dirac:
        for layer in others if whitening else convolutions:
            with torch.no_grad():
                nn.init.dirac_(layer.weight[: layer.in_channels])
            zero_bias(layer)
    if head_std is not None:
        scale_head(net, head_std)


def _whiten(conv: nn.Conv2d, examples: Tensor, eps: float) -> None:
    """Set a convolution to whitening filters and their negatives, and freeze them."""
    filters = whitening_filters(examples, conv.kernel_size[0], eps)
    if conv.weight.shape != (2 * len(filters), *filters.shape[1:]):
        raise ConfigError(
            f"init=whiten needs a first layer of {2 * len(filters)} filters", "use model=speednet or init=auto"
        )
    with torch.no_grad():
        conv.weight.copy_(torch.cat([filters, -filters]))
    conv.weight.requires_grad_(False)
    zero_bias(conv)


def scale_head(net: nn.Module, std: float) -> None:
    """Scale the weights of the last linear layer to a standard deviation.

    Raises:
        ConfigError: there is no linear layer.
    """
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError("init.head_std needs a linear layer; this model has none", "use init.head_std=null")
    with torch.no_grad():
        linear[-1].weight.mul_(std / linear[-1].weight.std())


def whitening_filters(examples: Tensor, size: int, eps: float) -> Tensor:
    """Return filters ``[channels * size * size, channels, size, size]`` whose outputs on patches are uncorrelated.

    Args:
        examples: images ``[n, channels, height, width]``.
        size: the side of a filter, in pixels.
        eps: added to the eigenvalues of the patches.
    """
    channels = examples.shape[1]
    patches = examples.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 1, 4, 5)
    patches = patches.reshape(-1, channels * size * size).double()
    covariance = patches.T @ patches / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    filters = (vectors / torch.sqrt(values + eps)).T.flip(0)
    return cast(Tensor, filters.reshape(-1, channels, size, size).float())
