"""What ``fastrun eval`` finds in a run, against scikit-learn and numpy on the outputs of the loaded model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import fastrun
from fastrun.cli.main import main
from fastrun.training.builders.data import load_splits
from fastrun.training.trained.model import load_learned

pl = pytest.importorskip("polars")

QUICK = ["amp=off", "pipeline=plain", "model=mlp", "model.hidden=[8]", "batch.size=16"]
TABLE = ["data=table", "data.root=it.csv", "steps=20", "optimizer.lr=0.01", *QUICK]
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


def outputs(run: Any, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs of the loaded model for a split of the run's data, and the targets."""
    checkpoint = max((run.directory / "checkpoints").glob("*.ckpt"))
    samples = getattr(load_splits(run.settings, load_learned(checkpoint)), split)
    x, y = samples.tensors
    with torch.no_grad():
        return fastrun.load(checkpoint)(x), y


def write_table(rows: int = 120) -> None:
    x, z, noise = np.random.default_rng(0).normal(size=(3, rows))
    price = 2 * x + noise
    prices = [f"{value:.6f}" if at % 10 else "" for at, value in enumerate(price)]  # every tenth row has no target
    kinds = np.where(x > 0.3, "tall", np.where(z > 0, "wide", "small"))
    lines = [f"{a:.6f},{b:.6f},{c},{d}" for a, b, c, d in zip(x, z, prices, kinds, strict=True)]
    Path("it.csv").write_text("\n".join(["x,z,price,kind", *lines]) + "\n")


def test_classes_are_counted_as_scikit_learn_counts_them(evaluate: Evaluate) -> None:
    run = fastrun.train(["+recipe=mlp_fast", "epochs=1"], quiet=True)
    found = evaluate(run.directory, "--split", "train", "--ckpt", "last", "amp.kind=off")
    logits, y = outputs(run, "train")
    predictions = logits.argmax(1)
    assert found["confusion_matrix"] == confusion_matrix(y, predictions).tolist()
    expected = np.array(precision_recall_fscore_support(y, predictions))
    rows = sorted(found["classes"], key=lambda row: found["class_names"].index(row["name"]))
    for at, name in enumerate(("precision", "recall", "f1", "support")):
        assert [row[name] for row in rows] == pytest.approx(expected[at])
    assert found["train/acc"] == pytest.approx((predictions == y).double().mean())
    loss = torch.nn.functional.cross_entropy(logits.double(), y, reduction="none")
    worst = found["worst"]
    assert len(worst) == 100
    assert [row["loss"] for row in worst] == pytest.approx(loss.sort(descending=True).values[:100].tolist(), rel=1e-3)
    for row in worst[:9]:
        assert (row["label"], row["prediction"]) == (str(int(y[row["index"]])), str(int(predictions[row["index"]])))
        assert row["probability"] == pytest.approx(float(logits[row["index"]].softmax(0).max()), rel=1e-3)


def test_a_run_of_several_machines_that_offloads_is_measured_here_and_whole(evaluate: Evaluate) -> None:
    run = fastrun.train(["+recipe=mlp_fast", "epochs=1", "device=cpu"], quiet=True)
    alone = evaluate(run.directory)
    config = run.directory / "config.yaml"
    there = {"kind": "fsdp", "accelerator": "auto", "count": 2, "nodes": 2, "offload": True}
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"device": there}))
    assert evaluate(run.directory) == alone


def test_residuals_are_those_of_the_loaded_model_and_rows_are_named(evaluate: Evaluate) -> None:
    write_table()
    run = fastrun.train([*TABLE, "data.target=price", "data.drop=[kind]"], quiet=True)
    found = evaluate(run.directory, "--ckpt", "last")
    predictions, y = outputs(run, "test")
    residuals = (predictions.squeeze(1) - y).double().numpy()
    (one,) = found["residuals"]
    assert one["name"] == "price"
    assert [one["mean"], one["std"]] == pytest.approx([residuals.mean(), residuals.std()], abs=1e-5)
    for share, value in one["quantiles"].items():
        assert value == pytest.approx(np.quantile(residuals, float(share)), abs=1e-5)
    counts, edges = np.histogram(residuals, 12)
    assert one["histogram"]["counts"] == counts.tolist()
    assert one["histogram"]["edges"] == pytest.approx(edges.tolist(), abs=1e-5)
    assert found["test/rmse"] ** 2 == pytest.approx(one["mean"] ** 2 + one["std"] ** 2, rel=1e-4)
    order = np.argsort(-np.abs(residuals))
    assert [row["index"] for row in found["worst"][:5]] == order[:5].tolist()
    table = pl.read_csv("it.csv")
    for row in found["worst"][:5]:
        assert row["target"] == pytest.approx(table["price"][int(row["name"].removeprefix("it.csv:")) - 1], abs=1e-5)


def test_several_numbers_have_residuals_each(evaluate: Evaluate, capfd) -> None:
    Path("pairs.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n\n\n"
        "def pairs():\n"
        "    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))\n"
        "    return {name: TensorDataset(x, x[:, :2] * 3) for name in ('train', 'val', 'test')}\n"
    )
    run = fastrun.train(["data._target_=pairs.pairs", "steps=3", *QUICK], quiet=True)
    found = evaluate(run.directory)
    assert [one["name"] for one in found["residuals"]] == ["prediction_0", "prediction_1"]
    assert len(found["worst"][0]["target"]) == 2
    assert found["worst"][0]["name"] is None
    assert main(["eval", str(run.directory)]) == 0
    assert "prediction_1" in capfd.readouterr().out


@pytest.mark.parametrize("cache", ["true", "false"])
def test_images_are_named_by_their_files(evaluate: Evaluate, capfd, cache: str) -> None:
    random = np.random.default_rng(0)
    for name, low in {"dark": 0, "bright": 156}.items():
        (Path("photos") / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(low, low + 100, (4, 4, 3), np.uint8)
            Image.fromarray(pixels).save(f"photos/{name}/{number:02}.png")
    Image.new("RGB", (4, 4), (250, 250, 250)).save("photos/dark/05.png")  # in the wrong folder
    data = ["data=image_folder", "data.root=photos", "data.val_fraction=0.25", "data.test_fraction=0.25"]
    run = fastrun.train([*data, f"data.cache={cache}", *QUICK, "steps=40", "optimizer.lr=0.02"], quiet=True)
    names = set()
    for split in ("train", "val", "test"):
        worst = evaluate(run.directory, "--split", split)["worst"]
        assert {Path(row["name"]).parent.name for row in worst if row["label"] == "dark"} == {"dark"}
        names |= {row["name"] for row in worst}
        if "photos/dark/05.png" in {row["name"] for row in worst}:
            assert worst[0]["name"] == "photos/dark/05.png"
            assert (worst[0]["label"], worst[0]["prediction"]) == ("dark", "bright")
    assert names == set(map(str, Path().glob("photos/*/*.png")))


def test_text_has_its_metrics_alone(evaluate: Evaluate, capfd) -> None:
    Path("it.txt").write_text("to be or not to be. " * 60)
    run = fastrun.train(
        ["data=text", "data.root=it.txt", "data.length=8", "model=lstm", "steps=2", "amp=off"], quiet=True
    )
    found = evaluate(run.directory, "--split", "val")
    assert found.keys() == {"checkpoint", "val/loss", "val/perplexity", "val/acc", "split", "samples", "file"}
    assert found["val/perplexity"] == pytest.approx(np.exp(found["val/loss"]), rel=1e-4)


@pytest.mark.parametrize(("loss", "kind"), [("bce", torch.sigmoid), ("mse", lambda out: out.clamp(0, 1))])
def test_a_probability_is_what_predict_says_it_is(evaluate: Evaluate, loss: str, kind: Callable[..., Any]) -> None:
    run = fastrun.train(["+recipe=mlp_fast", "epochs=1", f"loss={loss}", "amp=off"], quiet=True)
    row = evaluate(run.directory, "--ckpt", "last")["worst"][-1]
    logits, _ = outputs(run, "test")
    assert row["probability"] == pytest.approx(float(kind(logits[row["index"]]).max()), rel=1e-3)


def test_the_terminal_has_what_matters_most(evaluate: Evaluate, capfd, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    data = ["data=synthetic", "data.shape=[4]", "data.samples=600", "data.noise=4", "steps=4"]
    few = fastrun.train([*data, "data.classes=3", *QUICK], quiet=True)
    many = fastrun.train([*data, "data.classes=30", *QUICK], quiet=True)
    capfd.readouterr()
    assert main(["eval", str(few.directory)]) == 0
    out = capfd.readouterr().out
    for words in ("by class, the weakest first", "labels in rows, predictions in columns", "the worst 5 of 75 samples"):
        assert words in out
    assert f"kept in {few.directory}/eval-test-best.json" in out
    monkeypatch.setenv("COLUMNS", "9")
    assert main(["eval", str(few.directory)]) == 0
    out = capfd.readouterr().out
    assert "confused most" in out
    assert "labels in rows" not in out
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["eval", str(many.directory)]) == 0
    out = capfd.readouterr().out
    assert "by class, the weakest 10 of 30" in out
    assert "confused most" in out
    assert "labels in rows" not in out
    assert len(out.splitlines()) < 45
    assert max(len(line) for line in out.splitlines() if "outputs" not in line) <= 80


def test_what_is_found_is_kept_and_never_overwritten(evaluate: Evaluate, capfd) -> None:
    run = fastrun.train(["data=synthetic", "data.shape=[4]", "data.samples=64", "steps=4", *QUICK], quiet=True)
    found = evaluate(run.directory)
    first = run.directory / "eval-test-best.json"
    assert found["file"] == str(first)
    text = first.read_text()
    kept = json.loads(text)
    assert kept["checkpoint"] == str(Path(found["checkpoint"]).relative_to(run.directory))
    assert {key: value for key, value in kept.items() if key not in ("checkpoint", "arguments")} == {
        key: value for key, value in found.items() if key not in ("checkpoint", "file")
    }
    assert evaluate(run.directory, "device.count=2")["file"] == str(first)  # the same result
    assert evaluate(run.directory, "data.noise=5", "--ckpt", "best")["file"] == str(
        run.directory / "eval-test-best-2.json"
    )
    assert evaluate(run.directory)["file"] == str(first)
    assert evaluate(run.directory, "--ckpt", found["checkpoint"])["file"] == str(
        run.directory / f"eval-test-{Path(found['checkpoint']).stem}.json"
    )
    assert first.read_text() == text
    assert json.loads((run.directory / "eval-test-best-2.json").read_text())["arguments"] == ["data.noise=5"]


def test_a_run_that_cannot_be_written_is_measured_all_the_same(folder: Path, capsys, disk_full_after) -> None:
    run = fastrun.train(["data=synthetic", "data.shape=[4]", "data.samples=64", "steps=4", *QUICK], quiet=True)
    with disk_full_after(100):
        assert main(["eval", str(run.directory)]) == 0
    assert "not kept: cannot write" in capsys.readouterr().out
    assert not list(run.directory.glob("*eval-*"))
