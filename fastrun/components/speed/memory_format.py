"""The memory layout of images and filters: with channels last, cuDNN and oneDNN are faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_ONEDNN_BLOCK = 16  # channels that oneDNN computes together with AVX-512; 8 with AVX2


def has_convolutions(net: nn.Module) -> bool:
    """Say whether a network has 2-d convolutions."""
    return any(isinstance(module, nn.Conv2d) for module in net.modules())


def has_unsafe_convolutions(net: nn.Module) -> bool:
    """Say whether oneDNN may compute a network's gradients wrongly on a CPU, or crash, with channels last.

    oneDNN (3.14 is affected) writes past a buffer in the backward pass of a strided 1x1 convolution whose input has
    fewer channels than a block, as the projections of a narrow residual network have. Other layouts are not affected.
    """
    return any(_is_unsafe(module) for module in net.modules() if isinstance(module, nn.Conv2d))


def use_channels_last(net: nn.Module) -> None:
    """Give the filters of a network's 2-d convolutions the layout channels-last, in place.

    Other parameters keep theirs: ``net.to(memory_format=…)`` fails for the filters of 3-d convolutions.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.to(memory_format=torch.channels_last)


def to_memory_format(x: Tensor, memory_format: torch.memory_format | None) -> Tensor:
    """Return a batch in a memory format; a batch without four dimensions, which has no such layout, is not changed."""
    return x if memory_format is None or x.ndim != 4 else x.contiguous(memory_format=memory_format)


def memory_format_of(net: nn.Module) -> torch.memory_format | None:
    """Return channels-last for a network whose filters have that layout, None for one that takes any layout."""
    weights = (module.weight for module in net.modules() if isinstance(module, nn.Conv2d))
    last = torch.channels_last
    return last if any(w.is_contiguous(memory_format=last) and not w.is_contiguous() for w in weights) else None


def _is_unsafe(conv: nn.Conv2d) -> bool:
    is_strided_projection = set(conv.kernel_size) == {1} and max(conv.stride) > 1
    return is_strided_projection and conv.in_channels // conv.groups < _ONEDNN_BLOCK
