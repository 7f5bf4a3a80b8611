"""The exact sign test: who wins more blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fastrun.study.verdict.pairs import Vector


def p_value(wins: ArrayLike, blocks: ArrayLike) -> Vector:
    """Return the two-sided p-value of "a win is as likely as a loss".

    Args:
        wins: how many blocks are won.
        blocks: how many are won or lost; ties are left out.
    """
    wins, blocks = np.asarray(wins, dtype=float), np.asarray(blocks, dtype=float)
    return np.minimum(1.0, 2 * special.bdtr(np.minimum(wins, blocks - wins), blocks, 0.5))
