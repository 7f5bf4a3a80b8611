"""Lightning's own counts: a user's callback reads them, and training does not depend on them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import fastrun
from fastrun.training.lightning_internals import set_current_epoch, set_global_step

TINY = ["data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[4]", "batch.size=8",
        "data.val_fraction=0.5", "epochs=2", "speed.steps_per_call=1"]  # fmt: skip
READS = """
import json
import pytorch_lightning as pl

class Reads(pl.Callback):
    def __init__(self):
        self.seen = []
    def on_train_batch_end(self, trainer, module, *_):
        self.seen.append((trainer.global_step, trainer.current_epoch))
    def on_train_end(self, trainer, module):
        with open("seen.json", "w") as file:
            json.dump(self.seen, file)
"""


def test_a_callback_reads_the_steps_and_epochs_of_the_run(folder: Path) -> None:
    (folder / "reading.py").write_text(READS)
    fastrun.train([*TINY, "+callbacks.reads._target_=reading.Reads"], quiet=True)
    assert (folder / "seen.json").read_text() == "[[1, 0], [2, 0], [3, 0], [4, 1], [5, 1], [6, 1]]"


def test_a_trainer_without_these_counts_is_left_alone() -> None:
    bare = SimpleNamespace(fit_loop=SimpleNamespace())
    set_current_epoch(bare, 3)
    set_global_step(bare, 7)
    assert vars(bare.fit_loop) == {}
