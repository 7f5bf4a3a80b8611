"""Random numbers as a function of where they are used.

Nothing random in a run depends on what was drawn before: the order of an epoch, the augmentation of a sample and the
dropout of a step each have a seed made from the run's seed and their place. So a run that resumes at a step draws
what it would have drawn, any number of workers draws the same, and processes agree without talking.
"""

from __future__ import annotations

from hashlib import blake2b

import torch


def derive(*place: int | str) -> int:
    """Return a seed in [0, 2**63) for a place such as ``(seed, "order", epoch)``."""
    return int.from_bytes(blake2b(repr(place).encode(), digest_size=8).digest(), "little") >> 1


def generator(*place: int | str) -> torch.Generator:
    """Return a CPU generator seeded for a place."""
    return torch.Generator().manual_seed(derive(*place))
