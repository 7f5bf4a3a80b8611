"""A diagnosis from its first word to its last, as a user has it."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fastrun.cli.main import main
from fastrun.compose import compose
from fastrun.errors import ConfigError, OutOfMemory
from fastrun.tune.diagnose import diagnosis as diagnosis_module
from fastrun.tune.diagnose.diagnosis import Diagnosis, diagnose
from fastrun.tune.diagnose.outcome import Outcome

TINY = ["data=synthetic", "data.samples=128", "data.shape=[4]", "model=mlp", "model.hidden=[4]", "batch.size=16"]
NAMES = {"input-bound", "compute-bound", "host-bound", "validation-bound", "checkpoint-bound", "busy machine"}


@pytest.fixture
def quick(monkeypatch):
    """Measure for a moment only, and try no overrides."""
    monkeypatch.setattr(diagnosis_module, "try_all", lambda *arguments: [])

    def diagnose_quickly(*overrides: str) -> Diagnosis:
        own = [text for text in TINY if not ("batch=auto" in overrides and text.startswith("batch."))]
        return diagnose(compose([*own, *overrides]), 0.2)

    return diagnose_quickly


def test_a_command_line_is_diagnosed_and_nothing_is_left_behind(shell, folder: Path) -> None:
    done = shell("diagnose", *TINY, "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    assert any(f"\n{name}: " in done.stdout for name in NAMES)
    for row in ("whole step", "data alone", "step on a kept batch", "forward alone", "checkpoint", "peak", "memory"):
        assert row in done.stdout


@pytest.mark.slow
def test_a_run_is_diagnosed_and_what_helps_is_written_into_a_recipe(shell, folder: Path) -> None:
    trained = shell("train", "+recipe=mlp_fast", *TINY, "steps=20", "checkpoint.every=1", "name=a")
    assert trained.returncode == 0, trained.stderr
    (run,) = folder.glob("outputs/a/*")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = shell("diagnose", str(run), "--seconds", "2", "--json", "--apply", "faster", "val_every=20")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["verdict"] in NAMES
    assert sum(told["shares"].values()) == pytest.approx(1)
    assert "checkpoint-bound" in [told["verdict"], *(verdict["name"] for verdict in told["also"])]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    typed = shlex.split(told["command"])
    assert typed[:3] == ["fastrun", "train", "+recipe=mlp_fast"]
    assert typed[-len(told["overrides"]) :] == told["overrides"]
    assert "checkpoint.every=1" not in typed
    recipe = yaml.safe_load((folder / told["recipe"]).read_text())
    assert recipe["defaults"][0] == "/recipe/mlp_fast"
    again = shell("train", "+recipe=faster", *TINY[:4], "steps=2", "checkpoint.every=2")
    assert again.returncode == 0, again.stderr


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is neither a run directory nor KEY=VALUE\nhint: `fastrun runs` lists the runs"),
        (["mlp_fast"], "hint: a recipe is written +recipe=mlp_fast"),
        (["mlp_fats"], "hint: did you mean mlp_fast?"),
        (["+recipe=mlp_fats"], "hint: did you mean mlp_fast?"),
        (["optimzer=adam"], "hint: did you mean optimizer?"),
        (["epochs=3", "nowhere"], "write key=value"),
        (["seed=1,2"], "seed has several values\nhint: one training is diagnosed at a time: give one value"),
        (["--sconds", "3"], "hint: see `fastrun diagnose --help`"),
        (["--seconds", "0"], "--seconds 0 is too short"),
        (["--seconds", "nan"], "--seconds nan is too short"),
        (["--seconds", "long"], "invalid float value"),
        (["--apply", "../x"], "no recipe can have that name"),
        (["--apply", "mlp_fast"], "there is a recipe of that name"),
        (["model.depth=9"], "the nearest is 8"),
    ],
)
def test_mistakes_are_a_line_and_a_hint(folder: Path, capfd, arguments: list[str], words: str) -> None:
    assert main(["diagnose", *arguments]) == 2
    err = capfd.readouterr().err
    assert words in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert list(folder.iterdir()) == []


def test_a_run_of_another_format_and_a_sweep_are_refused(folder: Path, capfd) -> None:
    (folder / "old").mkdir()
    (folder / "old/config.yaml").write_text("format: 1\n")
    assert main(["diagnose", "old"]) == 6
    assert "old has format 1; this version of fastrun reads format" in capfd.readouterr().err
    (folder / "sweep").mkdir()
    (folder / "sweep/sweep.json").write_text("{}")
    assert main(["diagnose", "sweep"]) == 2
    assert "is a sweep, not a run" in capfd.readouterr().err


def test_torch_is_as_it_was_before(quick) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    threads = torch.get_num_threads()
    quick("deterministic=true")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["device=ddp", "device.count=2"], "one process is measured, with its share of the batch, 8 samples"),
        (["batch=auto"], "batch=auto chooses batch.size="),
        (["early_stopping=budget", "early_stopping.seconds=3"], "not of the budget"),
        (["+callbacks.mine._target_=pytorch_lightning.callbacks.ModelSummary"], "callbacks are not measured"),
        (["checkpoint=none"], "speed.compile=true is not tried"),
    ],
)
def test_what_is_not_measured_as_a_run_has_it_is_said(quick, overrides: list[str], words: str) -> None:
    assert any(words in note for note in quick(*overrides).notes)


@pytest.mark.slow
def test_a_network_that_computes_something_else_each_time_is_measured(quick, folder: Path) -> None:
    (folder / "mymod.py").write_text(
        "import random, torch\n"
        "class Random(torch.nn.Module):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.LazyLinear(num_classes)\n"
        "        self.layer(torch.zeros(1, 4))\n"
        "    def forward(self, x):\n"
        "        for _ in range(random.randrange(20)):\n"
        "            x = torch.nn.functional.dropout(x + torch.rand_like(x))\n"
        "        return self.layer(x)\n"
    )
    assert quick("model=mlp", "model._target_=mymod.Random", "~model.hidden", "~model.activation", "~model.dropout")


@pytest.mark.slow
def test_a_full_device_and_a_full_disk(quick, monkeypatch, disk_full_after) -> None:
    with disk_full_after(100):
        assert any("no checkpoint could be measured" in note for note in quick().notes)

    def full(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(diagnosis_module, "measure_steps", full)
    with pytest.raises(OutOfMemory, match=r"out of memory with batch.size=16"):
        quick()


def test_a_kernel_that_deterministic_forbids_is_named(quick, monkeypatch) -> None:
    def forbidden(*arguments: object) -> None:
        raise RuntimeError("some_kernel does not have a deterministic implementation, but you set …")

    monkeypatch.setattr(diagnosis_module, "measure_steps", forbidden)
    with pytest.raises(ConfigError, match="some_kernel has no deterministic form"):
        quick("deterministic=true")


def test_nothing_is_written_where_nothing_helps(folder: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr(diagnosis_module, "try_all", lambda found, *rest: [Outcome(one, 1.01) for one in found])
    assert main(["diagnose", *TINY, "--seconds", "1", "--apply", "faster"]) == 0
    out = capfd.readouterr().out
    assert "nothing was measured to help, so recipes/faster.yaml is not written" in out
    assert "what may help: " in out
    assert list(folder.iterdir()) == []
