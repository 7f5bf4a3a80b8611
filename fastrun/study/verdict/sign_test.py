"""The exact sign test: who wins more blocks."""

from __future__ import annotations

import numpy as np
from scipy import special

from fastrun.study.verdict.pairs import Counts, Vector


def p_value(wins: Counts | int, blocks: Counts | int) -> Vector:
    """Return the two-sided p-value of "a win is as likely as a loss".

    Args:
        wins: how many blocks are won.
        blocks: how many are won or lost; ties are left out.
    """
    tail: Vector = special.bdtr(np.minimum(wins, blocks - wins), blocks, 0.5)
    return np.minimum(1.0, 2 * tail)
