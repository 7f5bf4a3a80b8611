"""Holm's procedure: several claims, with one probability that any of them is false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float], alpha: float) -> tuple[list[float], list[float]]:
    """Adjust p-values, and say at which error each claim is made.

    Args:
        p_values: one for each claim.
        alpha: the probability that any claim is false, all together.

    Returns:
        The adjusted p-values: a claim holds if its own is at most alpha. And the error of each claim's interval, which
        then leaves out the null value exactly where the claim holds: alpha divided by how many claims were not yet made
        when this one was looked at; for those that do not hold, by how many do not hold. It is never above alpha, so
        each interval alone has at least the confidence 1 - alpha.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    p = np.asarray(p_values, dtype=float)
    not_smaller = (p[:, None] <= p[None, :]).sum(axis=1)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((not_smaller * p)[order]))
    open_claims = (adjusted > alpha).sum()
    divisor = np.where(adjusted <= alpha, not_smaller, open_claims)
    return adjusted.tolist(), (alpha / divisor).tolist()
