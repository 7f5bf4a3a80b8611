"""Which checkpoints of a run stay: the newest ones, and the best."""

from __future__ import annotations

from collections.abc import Sequence

from fastrun.storage.checkpoint.files import SavedCheckpoint


def checkpoints_to_delete(
    saved: Sequence[SavedCheckpoint], step: int, keep: int | None, best: int | None
) -> list[SavedCheckpoint]:
    """Return the older checkpoints of a run that need not stay after a save.

    Args:
        saved: the checkpoints of the run, the newest first.
        step: the step of the checkpoint that has just been saved.
        keep: how many of the newest stay, including that one; None or 0 to keep all.
        best: the step of the best checkpoint, which stays as well; None if there is none.
    """
    if not keep:
        return []
    older = [one for one in saved if one.step < step]
    return [one for one in older[keep - 1 :] if one.step != best]
