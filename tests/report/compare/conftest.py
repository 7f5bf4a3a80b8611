"""Run directories as a run leaves them, without a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastrun.storage.format import FORMAT

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(folder: Path) -> MakeRun:
    """Write the directory of a run, ``outputs/mlp/<name>``; ``config`` is nested, as in config.yaml."""

    def make(
        name: str,
        best: float | None = 0.9,
        *,
        values: list[float | None] | None = None,
        config: dict[str, Any] | None = None,
        overrides: list[str] | None = None,
        choices: dict[str, str] | None = None,
        seed: int = 0,
        status: str = "finished",
        metric: str = "val/acc",
        data: str = "d1",
        target_seconds: float | None = None,
    ) -> Path:
        path = folder / "outputs" / "mlp" / name
        path.mkdir(parents=True)
        content = {
            "format": FORMAT, "seed": seed, "epochs": 3, "batch": {"kind": "fixed", "size": 10},
            "optimizer": {"_target_": "adamw", "lr": 0.1}, "speed": {"kind": "auto", "threads": 1},
            "target": {"metric": None, "value": None if target_seconds is None else 0.5}, **(config or {}),
            "choices": {"recipe": "mlp_fast", "optimizer": "adamw", "speed": "auto", **(choices or {})},
        }  # fmt: skip
        (path / "config.yaml").write_text(yaml.safe_dump(content))
        (path / "overrides.yaml").write_text(yaml.safe_dump(overrides or []))
        (path / "status.json").write_text(json.dumps({"status": status, "started": 1e9, "updated": 1e9 + 5}))
        (path / "data.json").write_text(json.dumps({"fingerprint": {"sha256": data}, "samples": {"train": 50}}))
        measured = [best] if values is None else values
        lines = [
            {"step": 5 * number, "epoch": number, "train_seconds": 0.5 * number, metric: value, "val/loss": number / 8}
            for number, value in enumerate(measured, 1)
        ]
        (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if status == "finished":
            (path / "summary.json").write_text(json.dumps(_summary(best, metric, 5 * len(lines), target_seconds)))
        return path

    return make


def _summary(best: float | None, metric: str, steps: int, target_seconds: float | None) -> dict[str, Any]:
    reached = target_seconds is not None
    return {
        "status": "finished",
        "steps": steps,
        "best": None if best is None else {"metric": metric, "value": best, "step": 5},
        "target": {
            "metric": metric, "value": 0.5, "reached": reached, "steps": 5 if reached else None,
            "train_seconds": target_seconds, "wall_seconds": target_seconds and target_seconds + 7,
        },
        "clock": {"train": 1.5, "data_wait": 0.5, "total": 9.0},
        "throughput": {"samples_per_second": 1234.0},
        "memory": {"process": 300 << 20, "device": None},
    }  # fmt: skip
