"""`fastrun predict` for 10,000 small images, beside a bare loop that decodes them and computes the outputs.

    python benchmarks/predict.py [--rounds N]

The images are JPEG files of 32x32, made here; the network is a small resnet that was trained for a few steps on some of
them. Both read every file, prepare it as the run did, and compute in batches of the same size. Claim: predict takes at
most 1.2 of the time of the loop.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from measure import claim, in_turn, machine, parser, show
from PIL import Image

import fastrun
from fastrun.components.data.inputs import input_kind
from fastrun.storage.checkpoint.select import select
from fastrun.training.trained.model import TrainedNetwork, load_model, load_network
from fastrun.training.trained.predict import predict
from fastrun.training.trained.sources import find_sources

IMAGES, CLASSES, BATCH = 10_000, 4, 256
RUN = ("data=image_folder", "data.size=32", "model=resnet", "model.width=8", "steps=20", "amp=off", "device=cpu")


def write_images(folder: Path) -> None:
    """Write images of noise, a folder a class."""
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(IMAGES // CLASSES):
            pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number:05}.jpg")


def by_fastrun(trained: TrainedNetwork, folder: Path) -> float:
    begin = perf_counter()
    found = predict(trained, find_sources([str(folder)], input_kind(trained.learned)), BATCH)
    assert len(found.names) == IMAGES
    return perf_counter() - begin


def by_hand(checkpoint: Path, folder: Path) -> float:
    model = load_model(checkpoint)
    begin = perf_counter()
    files = sorted(map(str, folder.rglob("*.jpg")))
    with torch.inference_mode():
        parts = [model(files[start : start + BATCH]).softmax(1) for start in range(0, len(files), BATCH)]
    assert len(torch.cat(parts)) == IMAGES
    return perf_counter() - begin


def main() -> None:
    asked = parser(__doc__).parse_args()
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as name:
        folder = Path(name) / "images"
        write_images(folder)
        run = fastrun.train([*RUN, f"data.root={folder}", f"outputs={name}/outputs"], quiet=True).directory
        checkpoint = select(run / "checkpoints", "best", "val/acc")
        contestants = {
            "fastrun": partial(by_fastrun, load_network(checkpoint), folder),
            "loop": partial(by_hand, checkpoint, folder),
        }
        values = in_turn(contestants, asked.rounds)
    show("predictions for 10,000 images of 32x32", values, "loop", "s")
    claim(values, "fastrun", "loop", "at most 1.2")


if __name__ == "__main__":
    main()
