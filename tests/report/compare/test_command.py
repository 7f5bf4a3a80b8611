"""``fastrun compare`` as it is typed."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import pytest

from fastrun.cli.main import main


@pytest.fixture
def runs(make_run) -> None:
    """Two optimizers with two seeds each."""
    for optimizer, lr, value in (("adamw", 0.1, 0.9), ("sgd", 0.5, 0.8)):
        for seed in (0, 1):
            config = {"optimizer": {"_target_": optimizer, "lr": lr}}
            values = [value - 0.1, value + seed / 100]
            make_run(f"{optimizer}-{seed}", values[-1], values=values, config=config, seed=seed,
                     choices={"optimizer": optimizer}, target_seconds=1.5)  # fmt: skip


def said(capfd, *arguments: str) -> str:
    assert main(["compare", *arguments]) == 0, capfd.readouterr().err
    return capfd.readouterr().out


def test_runs_are_compared_in_every_form(runs, folder: Path, capfd) -> None:
    out = said(capfd, "outputs", "--csv", "a.csv", "--png", "a.png", "--html", "a.html", "--over", "samples")
    assert out.split()[:3] == ["run", "optimizer", "val/acc"]
    assert "95 % CI" in out
    assert "val/acc over samples" in out
    assert "written: a.csv" in out
    found = json.loads(said(capfd, "outputs", "--json"))
    assert (found["differs"], [row["seeds"] for row in found["rows"]]) == (["optimizer"], [[0, 1], [0, 1]])
    assert found["rows"][0]["peak_memory"]["mean"] == 300 << 20
    assert "300.0 MiB" in out
    assert found["rows"][0]["best"]["mean"] >= found["rows"][1]["best"]["mean"]
    with (folder / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["optimizer"], row["seed"]) for row in rows} == {
        ("sgd", "0"), ("sgd", "1"), ("adamw", "0"), ("adamw", "1")
    }  # fmt: skip
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "a.html").read_text()
    assert "4 runs compared" in page
    assert "They differ in optimizer. The best: adamw-0 +1, val/acc 0.9050." in page
    assert "<svg" in page
    assert "http" not in page
    for name in ("a.csv", "a.png", "a.html"):
        assert main(["compare", "outputs", f"--{Path(name).suffix[1:]}", name]) == 2
        assert "already exists" in capfd.readouterr().err


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_table_fits_its_terminal(runs, capfd, monkeypatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = re.sub(r"\033\[[\d;]*m", "", said(capfd, "outputs"))
    assert max(len(line) for line in out.splitlines() if not line.startswith("not shown")) <= columns
    assert (re.search("not shown, since the terminal is narrow: .*memory", out) is not None) == (columns < 200)
    assert "0.9050" in out


def test_what_draws_may_be_missing(runs, capfd, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "plotext", None)
    assert "pip install 'fastrun[report]'" in said(capfd, "outputs")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["compare", "outputs", "--png", "a.png"]) == 2
    assert "pip install 'fastrun[report]'" in capfd.readouterr().err


def test_nothing_to_compare_is_said_in_a_line(folder: Path, capfd) -> None:
    assert main(["compare"]) == 2
    assert "fastrun compare RUN RUN" in capfd.readouterr().err
    assert main(["compare", "nothing"]) == 2
    assert "not a run directory" in capfd.readouterr().err
    assert main(["compare", "outputs", "--limit", "0"]) == 2
    assert "no rows" in capfd.readouterr().err


@pytest.mark.slow
def test_a_real_sweep_is_compared(folder: Path, shell) -> None:
    short = ("data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[8]", "batch.size=8")
    done = shell("train", *short, "steps=8", "val_every=2", "amp=off", "optimizer=sgd,adamw", "seed=0,1", "-m")
    assert done.returncode == 0, done.stderr
    (sweep,) = folder.glob("outputs/*/sweep-*")
    found = json.loads(shell("compare", str(sweep), "--json").stdout)
    assert (found["differs"], [row["seeds"] for row in found["rows"]]) == (["optimizer"], [[0, 1], [0, 1]])
    assert found["rows"][0]["best"]["mean"] >= found["rows"][1]["best"]["mean"]
