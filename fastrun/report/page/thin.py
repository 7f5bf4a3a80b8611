"""Curves with as many points as a picture has columns."""

from __future__ import annotations

import numpy as np

from fastrun.report.page.series import Floats


def thin(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
    """Return the lowest and the highest point of each of equally wide columns, in their order.

    So that no peak is lost, however short. The first and the last point are kept, and a column without a finite value
    leaves a gap.

    Args:
        x: the horizontal values ``[n]``, not falling.
        y: the vertical values ``[n]``.
        columns: the number of columns.

    Returns:
        The points, at most two a column and two more.
    """
    if len(x) <= 2 * columns or not x[-1] > x[0]:
        return x, y
    column = np.minimum(((x - x[0]) / (x[-1] - x[0]) * columns).astype(np.int64), columns - 1)
    is_first = np.concatenate([[True], column[1:] != column[:-1]])
    starts = np.flatnonzero(is_first)
    lowest = np.lexsort((np.where(np.isnan(y), np.inf, y), column))[starts]
    highest = np.lexsort((np.where(np.isnan(y), np.inf, -y), column))[starts]
    kept = np.unique(np.concatenate([[0, len(x) - 1], lowest, highest]))
    return x[kept], y[kept]
