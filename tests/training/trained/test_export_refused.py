"""What cannot be exported is told in a line, and leaves no file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.errors import CheckpointError
from fastrun.training.trained.export import torch_file

pytest.importorskip("onnxscript")

DIGITS = ["+recipe=mlp_fast", "model.hidden=[8]", "steps=2"]
NET = """import torch
from torch import nn

class net(nn.Module):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.head = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.head(x.flatten(1))
        return {}
"""

LIT = """import torch
from pytorch_lightning import LightningModule
from torch import nn

class net(LightningModule):
    def __init__(self, in_shape, num_classes):
        super().__init__()
        self.head = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.head(x.flatten(1))
        return {}

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.head(batch[0].flatten(1)), batch[1])

    def validation_step(self, batch, index):
        self.log("val/loss", self.training_step(batch, index))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("outputs")
    return fastrun.train([*DIGITS, f"outputs={outputs}"], quiet=True).directory


@pytest.fixture
def run(folder: Path, finished: Path) -> Path:
    """The directory of a run, for one test alone."""
    return Path(shutil.copytree(finished, folder / "run"))


def own_run(folder: Path, returned: str, module: str = NET) -> Path:
    """The directory of a run with a network of the user's."""
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/own.yaml").write_text("# Mine\n_target_: own.net\n")
    (folder / "own.py").write_text(module.format(returned))
    quick = ["model=own", "init=default", "steps=2", "amp=off", "pipeline=plain"]
    return fastrun.train(quick, quiet=True).directory


def refused(capfd, *arguments: object) -> str:
    """The error of an export that must fail as a mistake of the command line."""
    capfd.readouterr()
    assert main(["export", *map(str, arguments)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") <= 2
    return err


@pytest.mark.parametrize("name", ["README.md", "model.json", "model.pt2"])
def test_no_file_is_overwritten(run: Path, capfd, name: str) -> None:
    (run / "export-torch").mkdir()
    (run / "export-torch" / name).write_text("mine")
    err = refused(capfd, run, "--to", "torch")
    assert f"{run}/export-torch/{name} already exists\nhint: choose another folder with --out FOLDER" in err
    assert (run / "export-torch" / name).read_text() == "mine"
    assert len(list((run / "export-torch").iterdir())) == 1
    Path("taken").write_text("mine")
    assert "taken is a file" in refused(capfd, run, "--to", "torch", "--out", "taken")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_told_with_its_extra(run: Path, capfd, monkeypatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    err = refused(capfd, run, "--to", "onnx")
    assert f"--to onnx needs the package {package}, which is not installed\nhint: pip install 'fastrun[export]'" in err
    assert main(["export", str(run), "--to", "torch"]) == 0


def test_a_file_that_computes_something_else_is_not_kept(run: Path, capfd, monkeypatch) -> None:
    read = torch_file.read
    for change in (lambda y: y + 0.5, lambda y: y * torch.nan, lambda y: y[:1]):
        monkeypatch.setattr(torch_file, "read", lambda content, change=change: lambda x: change(read(content)(x)))
        err = refused(capfd, run, "--to", "torch")
        assert "the exported model " in err
        assert not (run / "export-torch").exists()


@pytest.mark.slow
def test_an_operator_that_onnx_lacks_is_named(folder: Path, capfd) -> None:
    run = own_run(folder, "x + torch.special.bessel_j0(x.detach())")
    err = refused(capfd, run, "--to", "onnx")
    assert "ONNX has no operator for prims.bessel_j0, which the model uses" in err
    assert not (run / "export-onnx").exists()
    assert main(["export", str(run), "--to", "torch"]) == 0


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (
            "x if x.sum() > 0 else -x",
            "torch.export cannot trace the model: Could not guard on data-dependent expression",
        ),
        ("x * [1, 1, 1][len(x) % 2]", "the model's code fixes the size of the batch"),
    ],
)
def test_a_network_without_a_graph_keeps_its_weights(folder: Path, capfd, returned: str, message: str) -> None:
    run = own_run(folder, returned)
    assert message in refused(capfd, run, "--to", "torch")
    assert main(["export", str(run), "--to", "safetensors"]) == 0
    assert "module `own`" in (run / "export-safetensors" / "README.md").read_text()


def test_a_lightning_module_is_its_forward(folder: Path, capfd) -> None:
    run = own_run(folder, "x.softmax(1)", LIT)
    assert main(["export", str(run), "--to", "torch"]) == 0
    assert "what the forward of the LightningModule returns" in capfd.readouterr().out
    x = torch.zeros((3, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(torch.export.load(run / "export-torch/model.pt2").module()(x), fastrun.load(run)(x))


def test_a_network_that_returns_no_tensor_is_refused(folder: Path, capfd) -> None:
    run = own_run(folder, "[x]", LIT)
    assert "the network returns a list\nhint: an export is" in refused(capfd, run, "--to", "torch")


def test_the_module_of_a_network_that_is_missing_is_named(folder: Path, capfd) -> None:
    run = own_run(folder, "x")
    (folder / "own.py").rename("elsewhere.py")
    del sys.modules["own"]
    assert "model._target_=own.net: no such module\nhint: a module of yours" in refused(capfd, run, "--to", "torch")


def test_a_full_disk_leaves_no_file(run: Path, capfd, disk_full_after) -> None:
    with disk_full_after(3000):
        assert main(["export", str(run), "--to", "torch"]) == 7
    assert "hint: choose another folder with --out FOLDER" in capfd.readouterr().err
    assert not (run / "export-torch").exists()


def test_weights_without_a_good_description_are_refused(run: Path) -> None:
    assert main(["export", str(run), "--to", "safetensors", "--out", "it"]) == 0
    beside, text = Path("it/model.json"), Path("it/model.json").read_text()
    for content in ("{", "{}", json.dumps(json.loads(text) | {"learned": {}})):
        beside.write_text(content)
        with pytest.raises(CheckpointError, match="damaged"):
            fastrun.load("it/model.safetensors")
    beside.write_text(text)
    Path("it/model.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="damaged"):
        fastrun.load("it/model.safetensors")
    beside.unlink()
    with pytest.raises(CheckpointError, match=r"no model\.json beside it"):
        fastrun.load("it/model.safetensors")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "onxx"], 2, "invalid choice: 'onxx'"),
        ([], 2, "required: --to"),
        (["--to", "onnx", "--out", "it.onnx"], 2, "--out it.onnx names a file"),
        (["--to", "torch", "--ckpt", "gone.ckpt"], 6, "gone.ckpt does not exist"),
    ],
)
def test_what_is_mistyped_is_refused(run: Path, capfd, arguments, code: int, message: str) -> None:
    assert main(["export", str(run), *arguments]) == code
    assert message in capfd.readouterr().err
    assert main(["export", "nowhere", "--to", "torch"]) == 2
    assert "nowhere is not a run directory" in capfd.readouterr().err
