"""fastrun trains a network faster with the well-known heuristics, and proves which of them did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastrun.execute import Run

__version__ = "0.1.0"


def train(overrides: Sequence[str] = (), quiet: bool = False) -> Run:
    """Train as ``fastrun train …`` does and return the run.

    Args:
        overrides: what would stand on the command line, such as ``["+recipe=resnet_amp", "epochs=3"]``.
        quiet: print nothing.

    Raises:
        fastrun.errors.FastrunError: whatever the command line would end with; it knows its exit code and a hint.
    """
    from fastrun import execute, hydra_app, trust
    from fastrun.errors import UsageError

    runs: list[Run] = []
    given, names = trust.taken(overrides)
    with trust.granted(names):
        hydra_app.run(given, lambda settings, folder, said: runs.append(execute.train(settings, folder, said, quiet)))
    if len(runs) != 1:
        raise UsageError("fastrun.train makes one run", "for a sweep use `fastrun train … -m`")
    return runs[0]
