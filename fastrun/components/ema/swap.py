"""Temporarily replacing the weights of a network, for example by their average during a validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from fastrun.system.torch_internals import foreach_copy_


@contextmanager
def swapped(pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Copy the second tensor of each pair into the first; on exit, restore the first to the bit."""
    if not pairs:
        yield
        return
    live, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    own = [tensor.detach().clone() for tensor in live]
    with torch.no_grad():
        foreach_copy_(live, other)
        try:
            yield
        finally:
            foreach_copy_(live, own)
