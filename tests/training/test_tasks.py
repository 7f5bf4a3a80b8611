"""Several labels a sample, masks and images as targets: trained, measured, loaded and predicted, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import fastrun
from fastrun.errors import FastrunError

OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

def images(count):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(count))

def sets(target):
    parts = {name: images(count) for name, count in (("train", 128), ("val", 48), ("test", 32))}
    return {name: TensorDataset(x, target(x)) for name, x in parts.items()}

def thirds(x):
    masks = (x[:, 0] > 0.3).byte() + (x[:, 0] > 0.6).byte()
    masks[:, 0] = 255
    return masks

def masks():
    return sets(thirds) | {"classes": ["low", "middle", "high"]}

def several():
    return sets(lambda x: x[:, 0, 0, :3] > 0.5) | {"classes": ["a", "b", "c"]}

def pictures():
    return sets(lambda x: torch.cat([x, 1 - x], 1))

def dense(in_shape, num_classes):
    return nn.Sequential(nn.Conv2d(in_shape[0], 16, 1), nn.ReLU(), nn.Conv2d(16, num_classes, 1))

class Brighter:
    moves_pixels = False

    def draw(self, indices, seed, epoch):
        return torch.zeros(len(indices), 1)

    def __call__(self, x, draws):
        return x * 1.1
"""
FAST = ["epochs=8", "batch.size=16", "optimizer.lr=0.03", "speed.trial_seconds=0"]


@pytest.fixture
def own(folder: Path) -> None:
    (folder / "own.py").write_text(OWN)
    for group, name in (("data", "masks"), ("data", "several"), ("data", "pictures"), ("model", "dense")):
        (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
        (folder / f"conf/{group}/{name}.yaml").write_text(f"# Mine\n_target_: own.{name}\n")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "pipeline", [["pipeline=plain"], ["pipeline=resident"], ["pipeline=workers", "pipeline.num_workers=0"]]
)
def test_masks_are_learned_measured_and_loaded(pipeline: list[str]) -> None:
    run = fastrun.train(["data=masks", "model=dense", *pipeline, *FAST])
    best = run.summary["best"]
    assert best["metric"] == "val/miou"
    assert best["value"] > 0.8
    measured = next(line for line in run.metrics if "val/miou" in line)
    assert {"val/loss", "val/miou", "val/acc"} <= measured.keys()
    model = run.load_model()
    assert model.task.ignore_index == 255
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 3, 8, 8)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("loss", ["auto", "l1"])
def test_images_are_learned_measured_and_loaded(loss: str) -> None:
    run = fastrun.train(["data=pictures", "model=dense", f"loss={loss}", *FAST])
    best = run.summary["best"]
    assert best["metric"] == "val/psnr"
    assert best["value"] > 15
    x = torch.rand(3, 1, 8, 8)
    assert (run.load_model()(x) - torch.cat([x, 1 - x], 1)).abs().mean() < 0.15


def test_several_labels_are_learned_and_predicted(shell, own: None, folder: Path) -> None:
    done = shell("train", "data=several", "model=mlp", "model.hidden=[64]", *FAST, "epochs=40")
    assert done.returncode == 0, done.stderr
    assert "val/map" in done.stdout
    measured = shell("eval", "latest", "--split", "test", "--json")
    assert json.loads(measured.stdout)["test/f1"] > 0.8
    np.save(folder / "some.npy", np.full((2, 1, 8, 8), 0.99, np.float32))
    assert "a 0." in shell("predict", "latest", "some.npy").stdout
    shell("predict", "latest", "some.npy", "--jsonl", "some.jsonl")
    first = json.loads((folder / "some.jsonl").read_text().splitlines()[0])
    assert set(first["labels"]) == {"a", "b", "c"}
    assert set(first["probabilities"]) == {"a", "b", "c"}


@pytest.mark.slow
def test_masks_are_evaluated_and_reported_and_not_predicted_for_a_table(shell, own: None, folder: Path) -> None:
    shell("train", "data=masks", "model=dense", *FAST)
    assert json.loads(shell("eval", "latest", "--json").stdout)["test/miou"] > 0.8
    assert shell("report", "latest").returncode == 0
    np.save(folder / "some.npy", np.zeros((2, 1, 8, 8), np.float32))
    done = shell("predict", "latest", "some.npy")
    assert done.returncode == 2
    assert "returns masks" in done.stderr
    assert "fastrun.load(RUN)" in done.stderr


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=masks", "model=resnet"], "should be [2, 3, 8, 8]\nhint: masks as targets need a network of your own"),
        (["data=pictures", "model=mlp"], "should be [2, 2, 8, 8]\nhint: images as targets need a network of your own"),
        (["data=masks", "model=dense", "augment=crop_flip"], "augment=crop_flip changes inputs alone"),
        (["data=pictures", "model=dense", "augment=mixup"], "this data's targets are images"),
        (["data=masks", "model=dense", "views=mirror"], "views=mirror is for targets of whole images"),
        (["data=masks", "model=dense", "loss=bce"], "this data has masks"),
        (["data=masks", "model=dense", "loss=mse"], "this data has masks"),
        (["data=masks", "model=dense", "loss=l1"], "this data has classes"),
        (["data=pictures", "model=dense", "loss=cross_entropy"], "targets are images\nhint: use loss=mse"),
        (["data=several", "model=mlp", "loss=cross_entropy"], "several labels a sample\nhint: use loss=bce"),
        (["data=several", "model=mlp", "loss=mse"], "several labels a sample"),
        (["data=several", "model=mlp", "target.metric=val/acc"], "target.metric=val/acc is not measured"),
    ],
)
def test_what_does_not_fit_the_targets_is_refused_before_training(arguments: list[str], message: str) -> None:
    with pytest.raises(FastrunError) as caught:
        fastrun.train([*arguments, *FAST])
    assert message in caught.value.render()


@pytest.mark.usefixtures("own")
def test_an_augmentation_that_leaves_pixels_where_they_are_may_change_images_with_masks() -> None:
    arguments = ["data=masks", "model=dense", "augment._target_=own.Brighter", *FAST]
    assert fastrun.train(arguments).summary["best"]["value"] > 0.5
