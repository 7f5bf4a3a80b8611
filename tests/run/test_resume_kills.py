"""Killed again and again, at any moment, a run ends like one left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KILLS, STEPS = 50, 300
GATE = """
import os, time
import pytorch_lightning as pl

tell, target, limit = None, 0, 1 << 30  # a pipe to the one who kills, where to tell it, where to wait for it

class Gate(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if tell is not None and module.state.step >= target:
            os.write(tell, b".")
        while module.state.step >= limit:
            time.sleep(1)
"""
# Every attempt is a process forked from one that has imported everything. It may train up to a step at which it waits,
# so that there is something left for the kills to come; most are killed at a random moment before that.
DRIVER = """
import json, os, random, select, signal, sys, time
from hashlib import sha256
from pathlib import Path

import torch
from fastrun.cli.main import main
from fastrun import assemble, batch_size, execute, hydra_app, ranks, summary
from fastrun.storage.run_dir import RunDir

sys.path.append(".")
import gate

KILLS, STEPS, SETTINGS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]

def forked(run, saving=False, **moment):
    begun, ended = os.pipe()
    child = os.fork()
    if child:
        os.close(ended)
        return child, begun
    os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    if moment:
        for name, value in {"tell": ended, **moment}.items():
            setattr(gate, name, value)
    if saving:
        save = torch.save
        torch.save = lambda *given: (os.write(ended, b"."), save(*given))
    here = (run / "config.yaml").exists()
    command = ["resume", str(run)] if here else ["train", *SETTINGS, f"hydra.run.dir={run}"]
    os._exit(main(command))

def killed(run, number, chance):
    limit = STEPS * (number + 1) // KILLS - 1 if number else 2  # the first one comes before anything is saved
    target = chance.randint(0, limit)
    kind = chance.choice(["start", "step", "step", "save"]) if number else "step"
    child, told = forked(run, kind == "save", target=target if kind == "step" else limit, limit=limit)
    patience = chance.uniform(0, 0.25) if kind == "start" else 60
    select.select([told], [], [], patience)
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, Path("log").read_text()
    os.close(told)
    directory = RunDir(run)
    assert directory.status() in ("killed", "unknown"), f"kill {number}: {kind}"
    assert all(saved.is_good() for saved in directory.saved_checkpoints()), f"kill {number}: {kind}"
    return [one.step for one in directory.saved_checkpoints()][:1]

def whole(run):
    child, told = forked(run)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, Path("log").read_text()
    os.close(told)
    weights = torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True)["state_dict"]
    return sha256(b"".join(weights[name].numpy().tobytes() for name in sorted(weights))).hexdigest()

chance = random.Random(0)
alone = whole(Path("alone"))
newest = [killed(Path("run"), number, chance) for number in range(KILLS)]
print(json.dumps({"newest": newest, "alone": alone, "killed": whole(Path("run"))}))
"""
RUN = ["data=synthetic", "data.samples=512", "data.shape=[1,8,8]", "data.noise=3", "model=mlp", "model.hidden=[16]",
       "model.dropout=0.3", "augment=crop_flip", "amp=off", "batch.size=16", f"steps={STEPS}", "val_every=10",
       "checkpoint.every=5", "speed.steps_per_call=2", "+callbacks.gate._target_=gate.Gate"]  # fmt: skip


@pytest.mark.slow
def test_fifty_kills_at_random_moments_change_nothing(folder: Path, lines) -> None:
    (folder / "gate.py").write_text(GATE)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER, str(KILLS), str(STEPS), *RUN]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] == told["alone"]
    assert len(told["newest"]) == KILLS
    assert told["newest"] == sorted(told["newest"])
    assert told["newest"][0] == []
    assert "no checkpoint yet: starting from the first step" in (folder / "run/run.log").read_text()
    assert [line["step"] for line in lines(folder / "run") if "train/loss" in line] == list(range(1, STEPS + 1))
    run, alone = ([line | {"train_seconds": 0} for line in lines(folder / name)] for name in ("run", "alone"))
    assert run == alone
