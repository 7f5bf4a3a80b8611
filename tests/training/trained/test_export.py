"""Exported networks, run by other programs, compute what the run's own network does, for every model and format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fastrun
from fastrun.cli.main import main

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
pl = pytest.importorskip("polars")

QUICK = ["amp=off", "pipeline=plain", "checkpoint=standard", "steps=6", "batch.size=32"]
DIGITS = ["+recipe=mlp_fast", "model.hidden=[8]", "steps=6"]
TEXT = ["data=text", "data.root=it.txt", "data.length=8", *QUICK]
TABLE = ["data=table", "data.root=it.csv", "data.target=price", "model=mlp", "model.hidden=[8]", *QUICK]
IMAGES = ["model=resnet", "model=vit"]
RARE = [*(f"model={name}" for name in ("cnn", "plain_resnet", "speednet", "wide_resnet")),
        "model=timm model.name=resnet18", "model=mlp views=mirror_shift"]  # fmt: skip
FORMATS = {"onnx": "model.onnx", "torch": "model.pt2", "safetensors": "model.safetensors"}


def trained(*overrides: str) -> Path:
    return fastrun.train(overrides, quiet=True).directory


def exported(run: Path, form: str, *more: str) -> Path:
    assert main(["export", str(run), "--to", form, *more]) == 0
    return run / f"export-{form}" / FORMATS[form]


def opened(path: Path) -> Callable[[Tensor], Tensor]:
    """What a file computes, by the program that it is for."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda x: torch.from_numpy(session.run(None, {"inputs": x.numpy()})[0])
    return torch.export.load(path).module() if path.suffix == ".pt2" else fastrun.load(path)


def check_agrees(run: Path, path: Path, inputs: Tensor) -> None:
    with torch.inference_mode():
        expected = fastrun.load(run)(inputs)
        scale = float(expected.abs().max())
        for size in (len(inputs), 1, 3):
            found = opened(path)(inputs[:size])
            torch.testing.assert_close(found, expected[:size], rtol=0, atol=1e-4 * scale)


def write_table() -> None:
    x, z = np.random.default_rng(0).normal(size=(2, 80))
    lines = [f"{a:.6f},{'ab'[int(b > 0)]},{20_000 * a + 5e5:.1f}" for a, b in zip(x, z, strict=True)]
    Path("it.csv").write_text("\n".join(["x,kind,price", *lines]) + "\n")


def bytes_of_digits(count: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 17, (count, 1, 8, 8), np.uint8))


@pytest.mark.parametrize("form", FORMATS)
def test_images_are_prepared_inside_and_the_card_s_own_lines_run(folder: Path, monkeypatch, capfd, form: str) -> None:
    run = trained(*DIGITS, "ema=ema", "clip=norm")
    path = exported(run, form)
    out = capfd.readouterr().out
    assert f"written     {path} (" in out
    assert "takes       uint8 [batch, 1, 8, 8]\n            images (gray; " in out
    assert (
        "compared    200 samples of the validation set (359 in all)\n            in batches of 1, 2, 7, 30, 32" in out
    )
    check_agrees(run, path, bytes_of_digits(5))
    card = (path.parent / "README.md").read_text()
    for fact in (
        "digits, 1,078 train",
        "`clip=norm`",
        "| recipe | mlp_fast |",
        "their average over steps",
        "val/acc",
        "torch 2.",
    ):
        assert fact in card
    record = json.loads((path.parent / "model.json").read_text())
    assert record["learned"]["classes"] == list("0123456789")
    assert 0 <= record["agreement"]["difference"] < 1e-4
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(["README.md", "model.json", FORMATS[form]])
    (code,) = re.findall(r"^```python\n(.*?)^```", card, re.M | re.S)
    names: dict[str, object] = {}
    monkeypatch.chdir(path.parent)
    exec(code, names)
    assert names["outputs"].shape == (2, 10)
    assert str(Path(fastrun.__file__).parent) not in path.read_bytes().decode("latin1")  # where the code lies here


@pytest.mark.parametrize("form", ["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_regression_answers_in_the_unit_of_the_targets_and_the_card_tells_the_columns(
    folder: Path, form: str
) -> None:
    write_table()
    run = trained(*TABLE, "optimizer.lr=0.02")
    path = exported(run, form)
    model = fastrun.load(run)
    inputs = model.prepare(pl.read_csv("it.csv"))
    check_agrees(run, path, inputs)
    assert float(opened(path)(inputs).detach().mean()) == pytest.approx(5e5, rel=0.1)
    card = (path.parent / "README.md").read_text()
    assert "price, in the unit of the targets" in card
    rows = re.findall(r"^\| (\d) \| ([^|]+) \| ([^|]+) \|$", card, re.M)
    assert [row[1] for row in rows] == ["x", "kind=a", "kind=b"]
    mean, std = map(float, re.findall(r"\(value - (\S+)\) / (\S+), 0", rows[0][2])[0])
    assert float(inputs[0, 0]) == pytest.approx((pl.read_csv("it.csv")["x"][0] - mean) / std, abs=1e-5)


SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in [("gpt", "onnx"), ("lstm", "onnx"), ("lstm", "torch")]]


@pytest.mark.parametrize(("model", "form"), [("gpt", "torch"), ("lstm", "safetensors"), *SLOW])
def test_a_text_of_any_length_goes_where_the_network_takes_one(folder: Path, capfd, model: str, form: str) -> None:
    Path("it.txt").write_text("to be, or not to be; " * 50)
    run = trained(*TEXT, f"model={model}", "model.width=16", "model.depth=1")
    tokens = fastrun.load(run).prepare(["to be, o", "r not to", " be; to "])
    path = exported(run, form)
    check_agrees(run, path, tokens)
    is_fixed = model == "lstm" and form != "safetensors"  # a graph has its steps one by one
    assert f"takes       int64 [batch, {8 if is_fixed else 'length'}]" in capfd.readouterr().out
    if not is_fixed:
        check_agrees(run, path, tokens[:, :3])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "torch"])
@pytest.mark.parametrize("model", [*IMAGES, *(pytest.param(model, marks=pytest.mark.full) for model in RARE)])
def test_every_model_of_images_is_exported(folder: Path, model: str, form: str) -> None:
    run = trained("data=digits", *QUICK, *model.split(), "speed.channels_last=false")
    path = exported(run, form)
    inputs = bytes_of_digits(5)
    if "views" not in model:
        check_agrees(run, path, inputs)
    assert opened(path)(inputs).shape == (5, 10)


def test_what_is_validated_is_what_is_exported(folder: Path) -> None:
    run = trained(*DIGITS, "views=mirror", "ema=ema", "steps=40")
    model, inputs = opened(exported(run, "torch")), bytes_of_digits(4)
    own = fastrun.load(run)
    with torch.inference_mode():
        torch.testing.assert_close(model(inputs), (own(inputs) + own(inputs.flip(-1))) / 2)
    assert "views=mirror" in (run / "export-torch" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "speed",
    [
        "model=cnn speed.channels_last=true",
        pytest.param("model=mlp model.hidden=[8] speed.compile=true", marks=pytest.mark.full),
    ],
)
def test_how_a_network_was_made_faster_is_no_matter(folder: Path, speed: str) -> None:
    run = trained("data=digits", *QUICK, *speed.split(), "ema=ema")
    for form in FORMATS:
        check_agrees(run, exported(run, form), bytes_of_digits(5))


def test_the_checkpoint_and_the_folder_are_chosen(folder: Path) -> None:
    run = trained(*DIGITS, "checkpoint=every", "checkpoint.every=3")
    first = min((run / "checkpoints").glob("*.ckpt"))
    assert main(["export", str(run), "--to", "safetensors", "--ckpt", str(first), "--out", "deep/er"]) == 0
    assert f"step {int(first.stem.partition('-')[2])} |" in Path("deep/er/README.md").read_text()
    expected = fastrun.load(first)(bytes_of_digits(2))
    torch.testing.assert_close(fastrun.load("deep/er/model.safetensors")(bytes_of_digits(2)), expected)
    assert not (run / "export-safetensors").exists()


def test_data_that_is_gone_is_replaced_by_random_samples_and_that_is_said(folder: Path, capfd) -> None:
    write_table()
    run = trained(*TABLE)
    Path("it.csv").unlink()
    path = exported(run, "safetensors")
    said = "200 random samples, since the run's data cannot be used: "
    assert said in capfd.readouterr().out
    assert said in (path.parent / "README.md").read_text()
