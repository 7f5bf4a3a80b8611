"""``batch=auto`` in a run: what it writes, and that the chosen size is used."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import fastrun
from fastrun.training.builders import batch_size

SMALL = ["data=synthetic", "data.shape=[4]", "data.classes=2", "model=mlp", "model.hidden=[4]", "steps=2"]


def test_a_run_writes_the_size_that_it_chose_and_resumes_with_it(folder: Path) -> None:
    run = fastrun.train([*SMALL, "data.samples=600", "batch=auto"], quiet=True)
    config = yaml.safe_load((run.directory / "config.yaml").read_text())["batch"]
    assert config["kind"] == "fixed"
    assert config["size"] in (8, 16)  # 450 samples, at least 16 steps an epoch
    resolved = run.summary["heuristics"]["batch"]
    assert resolved == {"requested": "auto", "used": f"size {config['size']}", "why": config["found"]}
    assert "samples/s" in resolved["why"]
    assert run.settings.batch.size == config["size"]


def test_the_network_that_sizes_are_tried_with_is_freed_before_the_run(folder: Path, monkeypatch) -> None:
    built, alive = [], []
    build = batch_size.build_network

    def watched(*arguments):
        net = build(*arguments)
        built.append(weakref.ref(net))
        return net

    monkeypatch.setattr(batch_size, "build_network", watched)
    release = SimpleNamespace(release_unused=lambda: gc.collect() and alive.append([net() for net in built]))
    monkeypatch.setattr(batch_size, "memory", release)  # of this file alone: others release memory as well
    fastrun.train([*SMALL, "batch=auto"], quiet=True)
    assert alive == [[None]]


@pytest.mark.parametrize(("size", "used"), [(4096, 48), (16, 16)])
def test_rates_follow_the_size_that_is_used(folder: Path, size: int, used: int) -> None:
    own = ["data.samples=64", "schedule=constant", "optimizer.lr=1", f"batch.size={size}"]
    run = fastrun.train([*SMALL, *own, "batch.lr_scaling=linear", "batch.base_size=256"], quiet=True)
    assert run.summary["heuristics"]["batch"]["used"] in (f"size {used}", "fixed")
    first = json.loads((run.directory / "metrics.jsonl").read_text().splitlines()[0])
    assert first["lr"] == pytest.approx(used / 256)
