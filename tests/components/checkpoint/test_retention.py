from pathlib import Path

import pytest

from fastrun.components.checkpoint.retention import checkpoints_to_delete
from fastrun.storage.checkpoint.files import SavedCheckpoint

STEPS = [50, 40, 30, 20, 10]  # the newest first


@pytest.mark.parametrize(
    ("step", "keep", "best", "deleted"),
    [
        (50, 2, None, [30, 20, 10]),
        (50, 1, None, [40, 30, 20, 10]),
        (50, 2, 20, [30, 10]),  # the best stays in addition
        (50, 2, 40, [30, 20, 10]),  # the best is one of the newest
        (50, 9, None, []),
        (50, None, None, []),
        (50, 0, 10, []),
        (30, 2, None, [10]),  # after a rewind, those of later steps are left alone
    ],
)
def test_the_newest_and_the_best_stay(step: int, keep: int | None, best: int | None, deleted: list[int]) -> None:
    saved = [SavedCheckpoint(Path(f"step-{one}.ckpt"), one) for one in STEPS]
    assert [one.step for one in checkpoints_to_delete(saved, step, keep, best)] == deleted
