"""Random numbers as a function of where they are used.

Nothing random in a run depends on earlier random numbers: the order of an epoch, the augmentation of a sample and the
dropout of a step each have their own seed, computed from the run's seed and from where it is used. So a resumed run
draws the same numbers as one that was not interrupted, any number of workers draws the same ones, and processes agree
without communicating.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch


def derive(*key: int | str) -> int:
    """Return a seed in [0, 2**63) for a key such as ``(seed, "order", epoch)``."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1


def generator(*key: int | str) -> torch.Generator:
    """Return a CPU generator whose seed is :func:`derive` of the key."""
    return torch.Generator().manual_seed(derive(*key))


def seed_torch(device: torch.device, seed: int) -> None:
    """Seed the generators that a network on a device may draw from: the device's, and the one of the CPU.

    Unlike :func:`torch.manual_seed`, this leaves other devices alone, and takes a microsecond.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Let a user's code draw numbers that depend on a key alone, for the duration of a block.

    The generators that code uses without naming one (of torch on the CPU, of numpy, and of Python) get the seed of the
    key, and their own state back after the block.
    """
    seed, of_torch, of_numpy, of_python = derive(*key), torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % (1 << 32))
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
