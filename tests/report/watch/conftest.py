"""A run that goes on as the test says, and its files as a run writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastrun.storage.format import FORMAT
from fastrun.system.process import Process


class FakeRun:
    """A run directory whose process is that of the test."""

    def __init__(self, path: Path, **config: Any) -> None:
        self.path = path
        path.mkdir(parents=True)
        content = {"format": FORMAT, "epochs": 10, "batch": {"size": 4}, "choices": {"recipe": "mlp_fast"}, **config}
        (path / "config.yaml").write_text(yaml.safe_dump(content))
        self.write_status("running")

    def write_status(self, status: str, **more: Any) -> None:
        content = {"status": status, "started": 1000.0, "updated": 1000.0, **asdict(Process.this()), **more}
        (self.path / "status.json").write_text(json.dumps(content))

    def write_lines(self, *steps: int, end: str = "\n") -> None:
        """Append lines: five steps an epoch, ten steps a second of training, a validation at each fifth step."""
        with (self.path / "metrics.jsonl").open("a") as file:
            for step in steps:
                line = {"step": step, "epoch": step / 5, "train_seconds": step / 10}
                file.write(json.dumps(line | {"train/loss": 1 / step, "lr": 0.1}) + "\n")
                if step % 5 == 0:
                    file.write(json.dumps(line | {"val/loss": 2 / step, "val/acc": step / 100}) + end)

    def forget_after(self, step: int) -> None:
        """Replace metrics.jsonl as a run that goes back does: by another file."""
        path = self.path / "metrics.jsonl"
        kept = [line for line in path.read_text().splitlines() if json.loads(line)["step"] <= step]
        (self.path / "new").write_text("".join(f"{line}\n" for line in kept))
        (self.path / "new").replace(path)


@pytest.fixture
def fake_run(folder: Path) -> Callable[..., FakeRun]:
    """Begin a run in ``outputs/mlp/<name>``."""
    return lambda name="2026-01-01_00-00-00-00aa", **config: FakeRun(folder / "outputs" / "mlp" / name, **config)
