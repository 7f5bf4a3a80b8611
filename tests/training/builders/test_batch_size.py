"""``batch=auto`` in a run: what it writes, and that the chosen size is used."""

from __future__ import annotations

from pathlib import Path

import yaml

import fastrun


def test_a_run_writes_the_size_that_it_chose_and_resumes_with_it(folder: Path) -> None:
    data = ["data=synthetic", "data.shape=[4]", "data.classes=2", "data.samples=600", "model=mlp", "model.hidden=[4]"]
    run = fastrun.train([*data, "batch=auto", "steps=2"], quiet=True)
    config = yaml.safe_load((run.directory / "config.yaml").read_text())["batch"]
    assert config["kind"] == "fixed"
    assert config["size"] in (8, 16)  # 450 samples, at least 16 steps an epoch
    resolved = run.summary["heuristics"]["batch"]
    assert resolved == {"requested": "auto", "used": f"size {config['size']}", "why": config["found"]}
    assert "samples/s" in resolved["why"]
    assert run.settings.batch.size == config["size"]
