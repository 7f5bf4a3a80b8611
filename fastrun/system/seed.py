"""Random numbers as a function of where they are used.

Nothing random in a run depends on earlier random numbers: the order of an epoch, the augmentation of a sample and the
dropout of a step each have their own seed, computed from the run's seed and from where it is used. So a resumed run
draws the same numbers as one that was not interrupted, any number of workers draws the same ones, and processes agree
without communicating.
"""

from __future__ import annotations

from hashlib import blake2b

import torch


def derive(*key: int | str) -> int:
    """Return a seed in [0, 2**63) for a key such as ``(seed, "order", epoch)``."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1


def generator(*key: int | str) -> torch.Generator:
    """Return a CPU generator whose seed is :func:`derive` of the key."""
    return torch.Generator().manual_seed(derive(*key))
