"""The number of threads decides the last bits of a result, so a resumed run takes the number that it began with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastrun.storage.checkpoint.files import checkpoint_path
from fastrun.storage.checkpoint.load import load

pytestmark = pytest.mark.slow

KILL = """
import os, signal
import pytorch_lightning as pl

class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 7 and "KILLED" not in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
"""
RUN = ["+recipe=resnet_amp", "data=synthetic", "data.shape=[3,16,16]", "data.samples=300", "steps=16", "val_every=4",
       "checkpoint.every=2", "early_stopping=none", "+callbacks.kill._target_=kill.Kill", "device=cpu"]  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("threads", [[], ["speed.threads=2"]])
def test_a_killed_run_goes_on_with_its_threads_wherever_it_is_resumed(new_process, folder: Path, threads) -> None:
    (folder / "kill.py").write_text(KILL)
    whole, broken = folder / "whole", folder / "broken"
    environment = {"OMP_NUM_THREADS": "2", "FASTRUN_CACHE": str(folder / "cache")}
    assert new_process("train", *RUN, *threads, f"hydra.run.dir={whole}", KILLED="1", **environment).returncode == 0
    assert new_process("train", *RUN, *threads, f"hydra.run.dir={broken}", **environment).returncode == -9
    done = new_process("resume", str(broken), KILLED="1", OMP_NUM_THREADS="1", FASTRUN_CACHE=str(folder / "other"))
    assert done.returncode == 0, done.stderr
    one, other = (load(checkpoint_path(run / "checkpoints", 16))["state_dict"] for run in (whole, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)
