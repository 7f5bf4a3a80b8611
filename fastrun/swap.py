"""Other weights for a while: an average of them, say, to validate with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def swapped(pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Give the first tensor of each pair the second's values, and its own back at the end, bit for bit."""
    if not pairs:
        yield
        return
    live, other = ([pair[place] for pair in pairs] for place in (0, 1))
    own = [tensor.detach().clone() for tensor in live]
    with torch.no_grad():
        torch._foreach_copy_(live, other)
        try:
            yield
        finally:
            torch._foreach_copy_(live, own)
