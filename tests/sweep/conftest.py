"""A callback whose faults sweeps live through, and the ledger they leave."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

CALLBACK = '''
import os, signal, subprocess, sys, time
from pathlib import Path
import pytorch_lightning as pl
from fastrun.system import signals

class Fault(pl.Callback):
    """Comes to grief at the third step, while there is a file ``armed``; notes each job that begins, and where."""

    def __init__(self, kind: str):
        self.kind = kind

    def on_train_start(self, trainer, module):
        with Path("began").open("a") as file:
            file.write(f"{self.kind} {module.state.step}\\n")

    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step == 3 and Path("armed").exists():
            getattr(self, self.kind)(module)

    def fine(self, module):
        pass

    def raises(self, module):
        raise RuntimeError("this job raises")

    def exits(self, module):
        sys.exit(0)

    def killed(self, module):
        subprocess.Popen(["sleep", "600"])
        os.kill(os.getpid(), signal.SIGKILL)

    def diverges(self, module):
        module.net.register_forward_hook(lambda net, given, output: output * float("nan"))

    def hangs(self, module):
        Path(f"pid-{self.kind}").write_text(str(os.getpid()))
        while True:
            time.sleep(60)

    def waits(self, module):
        Path("pid-waits").write_text(str(os.getpid()))
        while not signals.is_stop_requested():
            time.sleep(0.01)
'''
TINY = (
    "data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[8]", "batch.size=8", "steps=6",
    "val_every=3", "checkpoint.every=1", "speed.steps_per_call=1", "amp=off",
    "+callbacks.fault._target_=faults.Fault",
)  # fmt: skip

Rows = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture
def tiny() -> tuple[str, ...]:
    """What a job of a test trains."""
    return TINY


@pytest.fixture
def faults(folder: Path) -> Path:
    """Where the callback lies, armed."""
    (folder / "faults.py").write_text(CALLBACK)
    (folder / "armed").touch()
    return folder


@pytest.fixture
def left(folder: Path) -> Callable[[], list[str]]:
    """Name the processes that run in the test's folder."""

    def found() -> list[str]:
        commands = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if int(process.name) != os.getpid() and (process / "cwd").readlink() == folder:
                    commands.append((process / "cmdline").read_text().replace("\0", " "))
        return commands

    return found


@pytest.fixture
def rows() -> Rows:
    """Read a sweep's ledger."""
    return lambda sweep: [json.loads(file.read_text()) for file in sorted(sweep.glob("ledger/*.json"))]
