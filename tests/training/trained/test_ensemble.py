"""Several runs evaluated at once: a row each, and the mean of what they predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import fastrun
from fastrun.cli.main import main
from fastrun.training.builders.data import load_splits
from fastrun.training.trained.model import load_learned

QUICK = ["amp=off", "pipeline=plain", "model=mlp", "model.hidden=[8]", "batch.size=16"]
SYNTHETIC = ["data=synthetic", "data.shape=[4]", "data.samples=128", "data.classes=3", "steps=8", *QUICK]
Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(folder: Path, capfd) -> Evaluate:
    """Return the JSON of ``fastrun eval``."""

    def run_eval(*arguments: str | Path) -> dict[str, Any]:
        capfd.readouterr()
        assert main(["eval", *map(str, arguments), "--json"]) == 0, capfd.readouterr().err
        found: dict[str, Any] = json.loads(capfd.readouterr().out)
        return found

    return run_eval


def train(*arguments: str) -> Path:
    return fastrun.train(list(arguments), quiet=True).directory


def predict(run: Path, split: str = "test") -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs of the loaded model for a split of the run's data, and the targets."""
    model = fastrun.load(run)
    x, y = getattr(load_splits(model.settings, load_learned(max(run.glob("checkpoints/*.ckpt")))), split).tensors
    with torch.no_grad():
        return model(x), y


def test_an_ensemble_is_the_mean_of_the_softmax(evaluate: Evaluate, capfd) -> None:
    runs = [train(*SYNTHETIC, f"seed={seed}", *more) for seed, more in enumerate(([], ["model.hidden=[5,5]"], []))]
    found = evaluate(*runs)
    assert found["runs"] == [evaluate(run) for run in runs]
    mean = torch.stack([predict(run)[0].double().softmax(1) for run in runs]).mean(0)
    y = predict(runs[0])[1]
    together = found["ensemble"]
    assert together["test/loss"] == pytest.approx(float(cross_entropy(mean.log(), y)), rel=1e-5)
    assert together["test/acc"] == pytest.approx(float((mean.argmax(1) == y).double().mean()))
    worst = together["worst"][0]
    assert worst["index"] == int(mean[range(len(y)), y].argmin())
    assert worst["probability"] == pytest.approx(float(mean[worst["index"]].max()), rel=1e-5)
    capfd.readouterr()
    assert main(["eval", *map(str, runs)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [*(run.name for run in runs), "ensemble"]
    assert f"{together['test/loss']:.4f}" in lines[4]


def test_numbers_are_averaged_in_the_unit_of_the_targets(evaluate: Evaluate, folder: Path) -> None:
    pytest.importorskip("polars")
    x, noise = np.random.default_rng(0).normal(size=(2, 100))
    rows = [f"{a:.6f},{30 * a + b + 500:.6f}" for a, b in zip(x, noise, strict=True)]
    (folder / "it.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    table = ["data=table", "data.root=it.csv", "data.target=y", "steps=10", *QUICK]
    runs = [train(*table, f"seed={seed}") for seed in range(2)]
    together = evaluate(*runs)["ensemble"]
    mean = torch.stack([predict(run)[0].squeeze(1).double() for run in runs]).mean(0)
    y = predict(runs[0])[1].double()
    assert together["test/rmse"] == pytest.approx(float((mean - y).square().mean().sqrt()), rel=1e-5)
    assert together["residuals"][0]["mean"] == pytest.approx(float((mean - y).mean()), rel=1e-4)
    shifted = [f"{a:.6f},{30 * a + b + 500:.6f}" for a, b in zip(x[:40] + 1, noise, strict=False)]
    (folder / "new.csv").write_text("\n".join(["x,y", *shifted]) + "\n")
    found = evaluate(*runs, "data.root=new.csv")
    assert found["ensemble"]["samples"] == 40
    assert found["ensemble"]["new/rmse"] <= max(one["new/rmse"] for one in found["runs"])


def test_text_is_the_mean_of_the_probabilities_of_each_character(evaluate: Evaluate, folder: Path) -> None:
    (folder / "it.txt").write_text("to be or not to be. " * 60)
    text = ["data=text", "data.root=it.txt", "data.length=8", "model=lstm", "amp=off", "steps=3"]
    runs = [train(*text, f"seed={seed}") for seed in range(2)]
    together = evaluate(*runs, "--split", "val")["ensemble"]
    mean = torch.stack([predict(run, "val")[0].double().softmax(2) for run in runs]).mean(0)
    y = predict(runs[0], "val")[1]
    assert together["val/loss"] == pytest.approx(float(cross_entropy(mean.log().flatten(0, 1), y.flatten())), rel=1e-5)
    assert together["val/acc"] == pytest.approx(float((mean.argmax(2) == y).double().mean()))


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_mean_of_two_equal_runs_is_as_good_as_each(evaluate: Evaluate, loss: str) -> None:
    runs = [train(*SYNTHETIC, f"loss={loss}", f"name={name}") for name in ("a", "b")]
    found = evaluate(*runs)
    for name in ("test/acc", "test/f1", "test/loss"):
        assert found["ensemble"][name] == pytest.approx(found["runs"][0][name], rel=1e-5)


def test_runs_with_different_losses_have_an_ensemble_without_one(evaluate: Evaluate, capfd) -> None:
    runs = [train(*SYNTHETIC), train(*SYNTHETIC, "loss.label_smoothing=0.1")]
    together = evaluate(*runs)["ensemble"]
    assert "test/loss" not in together
    assert "test/acc" in together
    assert main(["eval", *map(str, runs)]) == 0
    assert "the runs have different losses, so their ensemble has none" in capfd.readouterr().out


def test_a_sweep_is_its_runs_that_have_finished(evaluate: Evaluate, capfd) -> None:
    for number in range(3):
        train(*SYNTHETIC, f"seed={number + 1}", f"hydra.run.dir='sweep/{number}-seed={number + 1}'")
    Path("sweep/sweep.json").write_text("{}")
    status = next(Path("sweep").glob("1-*")) / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"status": "failed"}))
    assert main(["eval", "sweep"]) == 0
    assert "note: 1 of the runs of sweep have not finished: left out" in capfd.readouterr().err
    found = evaluate("sweep")
    names = [Path(one["checkpoint"]).parts[1] for one in found["runs"]]
    assert names == ["0-seed=1", "2-seed=3"]
    assert found["ensemble"] == evaluate("sweep/2-seed=3", "sweep/0-seed=1")["ensemble"]
    assert main(["eval", "sweep", "sweep/0-seed=1"]) == 2
    assert "0-seed=1 is named 2 times" in capfd.readouterr().err
    for other in ("0-seed=1", "2-seed=3"):
        status = Path("sweep") / other / "status.json"
        status.write_text(json.dumps(json.loads(status.read_text()) | {"status": "failed"}))
    assert main(["eval", "sweep"]) == 2
    assert "no run of the sweep sweep has finished" in capfd.readouterr().err


OTHERS = [
    (["data.classes=4"], "predicts 4 classes, not 3 as"),
    (["data.shape=[5]"], "takes samples of uint8 [5], not uint8 [4] as"),
    (["data.noise=2"], "was trained on other data than"),
    (["data.test_fraction=0.2"], "was trained on other data than"),
]


@pytest.mark.parametrize(("change", "words"), OTHERS)
def test_runs_that_have_no_mean_are_refused_before_anything_is_measured(folder, capfd, change, words) -> None:
    first, other = train(*SYNTHETIC), train(*SYNTHETIC, *change)
    capfd.readouterr()
    assert main(["eval", str(first), str(other)]) == 2
    out, err = capfd.readouterr()
    assert err.startswith(f"error: {other} {words} {first}\nhint: ")
    assert out == ""
    assert not list(Path().rglob("eval-*.json"))


@pytest.mark.slow
def test_mixed_tasks_classes_and_splits_are_refused(folder: Path, capfd) -> None:
    pytest.importorskip("polars")
    for name, kinds in {"it": "ab", "more": "cd"}.items():
        rows = [f"{n % 11},{n % 7}.5,{kinds[n % 2]}\n" for n in range(60)]
        (folder / f"{name}.csv").write_text("".join(["x,z,kind\n", *rows]))
    table = ["data=table", "data.root=it.csv", "steps=2", *QUICK]
    first = train(*table, "data.target=kind", "data.drop=[z]")
    for changes, words in {
        ("data.target=z", "data.drop=[kind]"): "predicts numbers, not classes as",
        ("data.root=more.csv", "data.target=kind", "data.drop=[z]"): "has other classes than",
        ("data.target=kind", "data.drop=[z]", "data.split_seed=3"): "splits the data in another way than",
    }.items():
        other = train(*table, *changes)
        assert main(["eval", str(first), str(other)]) == 2
        assert f"error: {other} {words} {first}" in capfd.readouterr().err


def test_one_checkpoint_is_not_that_of_several_runs(folder: Path, make_run, capfd) -> None:
    runs = [str(make_run(folder / name)) for name in ("a", "b")]
    assert main(["eval", *runs, "--ckpt", "a/checkpoints/x.ckpt"]) == 2
    assert "--ckpt a/checkpoints/x.ckpt is the checkpoint of one run" in capfd.readouterr().err
