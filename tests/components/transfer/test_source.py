"""Where weights come from, and that nothing which comes with them is run."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import fastrun
from fastrun.components.transfer.source import read_weights, weights_in
from fastrun.errors import CheckpointError, ConfigError
from fastrun.report.run import Run
from fastrun.storage.run_dir import RunDir

WEIGHTS = {"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.ones(2)}


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def assert_weights(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.bin", "weights"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
def test_a_file_that_torch_saved(tmp_path: Path, name: str, wrapper: str | None) -> None:
    content = {wrapper: WEIGHTS, "epoch": 3, "lr": torch.ones(1)} if wrapper else OrderedDict(WEIGHTS)
    torch.save(content, tmp_path / name)
    assert_weights(weights_in(tmp_path / name))


def test_a_wrapper_within_a_wrapper(tmp_path: Path) -> None:
    torch.save({"model": {"state_dict": WEIGHTS}}, tmp_path / "w.pt")
    assert_weights(weights_in(tmp_path / "w.pt"))


def test_a_tensor_that_is_called_model_is_no_wrapper(tmp_path: Path) -> None:
    torch.save({"model": torch.ones(1)}, tmp_path / "w.pt")
    assert weights_in(tmp_path / "w.pt").keys() == {"model"}


def test_a_file_of_safetensors(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    found, origin = read_weights(str(tmp_path / "w.safetensors"), nn.Linear(3, 2))
    assert_weights(found)
    assert origin == str(tmp_path / "w.safetensors")


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {"state_dict": it}, lambda it: {**WEIGHTS, "more": it}])
@pytest.mark.parametrize("save", [torch.save, lambda it, path: path.write_bytes(pickle.dumps(it))])
def test_a_file_that_brings_code_is_refused_and_the_code_not_run(tmp_path: Path, wrap, save) -> None:
    save(wrap(Hostile(tmp_path / "was run")), tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="code to be run") as caught:
        weights_in(tmp_path / "w.pt")
    assert caught.value.exit_code == 6
    assert not (tmp_path / "was run").exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "w.pt")
    with pytest.raises(CheckpointError) as caught:
        weights_in(tmp_path / "w.pt")
    assert "torch.save(net.state_dict()" in caught.value.render()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all " * 9])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        weights_in(tmp_path / name)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, keep: float) -> None:
    for name, save in (("w.pt", torch.save), ("w.safetensors", save_file)):
        save(WEIGHTS, tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(CheckpointError, match=name):
            weights_in(tmp_path / name)


@pytest.mark.parametrize("content", [{}, [torch.ones(1)], {"epoch": 3}, torch.ones(2), {"state_dict": {}}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="holds no weights"):
        weights_in(tmp_path / "w.pt")


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"transfer\.source=nowhere\.pt: no such file"):
        read_weights("nowhere.pt", nn.Linear(1, 1))
    with pytest.raises(CheckpointError, match="is not a run directory"):
        read_weights(str(tmp_path), nn.Linear(1, 1))
    with pytest.raises(ConfigError, match=r"transfer\.source is not set"):
        read_weights(None, nn.Linear(1, 1))


QUICK = ["model=mlp", "model.hidden=[8]", "epochs=3", "batch.size=256"]


@pytest.fixture
def run(folder: Path) -> Run:
    return fastrun.train(QUICK, quiet=True)


def test_a_run_gives_its_best_checkpoint(run: Run) -> None:
    found, origin = read_weights(str(run.directory), nn.Linear(1, 1))
    assert origin == str(run.directory / run.summary["best"]["checkpoint"])
    state = run.load_model("best").net.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_the_best_is_not_just_the_newest(run: Run) -> None:
    newest, *older = RunDir(run.directory).saved_checkpoints()
    for saved in older:
        replace(saved, metrics=saved.metrics | {"val/acc": 1.1}).write_manifest()
    first = min(older, key=lambda saved: saved.step)
    assert read_weights(str(run.directory), nn.Linear(1, 1))[1] == str(first.path)
    for saved in older:
        saved.path.write_bytes(b"damaged")
    assert read_weights(str(run.directory), nn.Linear(1, 1))[1] == str(newest.path)


def test_a_checkpoint_gives_the_weights_that_were_evaluated(run: Run, tmp_path: Path) -> None:
    path = RunDir(run.directory).newest_good()[0].path
    content = torch.load(path, weights_only=True)
    live = weights_in(path)
    assert torch.equal(live["1.weight"], content["state_dict"]["net.1.weight"])
    content["fastrun"]["evaluation_weights"] = live | {"1.weight": live["1.weight"] + 1}
    torch.save(content, tmp_path / "averaged.ckpt")
    averaged = weights_in(tmp_path / "averaged.ckpt")
    assert averaged.keys() == live.keys()
    assert torch.equal(averaged["1.weight"], live["1.weight"] + 1)
