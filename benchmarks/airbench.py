"""The recipe ``cifar10_speedrun`` beside airbench94_muon, on the same tensors, seed by seed in turn.

The file of airbench94_muon is not part of fastrun; the repository KellerJordan/cifar10-airbench has it. Its ``main`` is
called as its own script calls it. Its clock counts the training, the whitening and the six views at the end, by CUDA
events, on a network that was compiled before; fastrun's clock of training counts steps and waiting for data.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import torch
from checklist import Skip
from torch import Tensor
from torch.utils.data import TensorDataset

import fastrun
from fastrun.compose import compose
from fastrun.training.builders.data import load_splits

TARGET = 0.94
_BATCHES = 5  # files of the binary form of CIFAR-10


def write_tensors(root: str, folder: Path) -> None:
    """Write CIFAR-10 in the form that airbench reads, and in one that fastrun reads.

    Args:
        root: a folder with CIFAR-10 in any of the forms that ``data=cifar10`` reads.
        folder: where ``cifar10/train.pt`` and ``cifar-10-batches-bin`` go.
    """
    splits = load_splits(compose(["data=cifar10", f"data.root={root}", "data.val_fraction=0"]))
    if not isinstance(splits.train, TensorDataset) or not isinstance(splits.test, TensorDataset):
        raise Skip("the images do not fit into memory")
    (folder / "cifar10").mkdir(parents=True)
    (folder / "cifar-10-batches-bin").mkdir()
    for name, samples in {"train": splits.train, "test": splits.test}.items():
        images, labels = samples.tensors
        content = {"images": images.permute(0, 2, 3, 1).contiguous(), "labels": labels, "classes": splits.classes}
        torch.save(content, folder / "cifar10" / f"{name}.pt")
        names = [f"data_batch_{number}" for number in range(1, _BATCHES + 1)] if name == "train" else ["test_batch"]
        parts = zip(names, images.chunk(len(names)), labels.chunk(len(names)), strict=True)
        for file, some_images, some_labels in parts:
            (folder / "cifar-10-batches-bin" / f"{file}.bin").write_bytes(_records(some_images, some_labels))


def _records(images: Tensor, labels: Tensor) -> bytes:
    """Return the binary form: a byte of the label, then the bytes of each channel."""
    return torch.cat([labels.to(torch.uint8).unsqueeze(1), images.reshape(len(images), -1)], 1).numpy().tobytes()


def load_file(file: Path) -> types.ModuleType:
    """Import airbench's file; what it takes of torchvision is made up for where that is not installed."""
    spec = importlib.util.spec_from_file_location("airbench94", file)
    assert spec is not None, file
    assert spec.loader is not None, file
    module = importlib.util.module_from_spec(spec)
    sys.modules["airbench94"] = module
    with patch.dict(sys.modules, _torchvision()):
        spec.loader.exec_module(module)
    return module


def _torchvision() -> dict[str, types.ModuleType]:
    """Return a torchvision with its ``Normalize`` alone if there is none."""
    if importlib.util.find_spec("torchvision") is not None:
        return {}
    package, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")

    class Normalize:
        def __init__(self, mean: Tensor, std: Tensor) -> None:
            self.mean, self.std = mean.view(-1, 1, 1), std.view(-1, 1, 1)

        def __call__(self, x: Tensor) -> Tensor:
            return (x - self.mean.to(x)) / self.std.to(x)

    transforms.Normalize = Normalize  # type: ignore[attr-defined]
    package.transforms = transforms  # type: ignore[attr-defined]
    return {"torchvision": package, "torchvision.transforms": transforms}


def airbench_runs(file: Path, folder: Path, device: str, mode: str | None) -> Callable[[int], dict[str, float]]:
    """Return a function that makes a run of airbench, which is compiled and warmed up."""
    module = load_file(file)
    net = module.CifarNet().to(device).to(memory_format=torch.channels_last)
    if mode is not None:
        net.compile(mode=mode)

    def run(name: int | str) -> dict[str, float]:
        if isinstance(name, int):
            torch.manual_seed(name)
        start = time.perf_counter()
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as said:
            accuracy = float(module.main(name, net))
        wall = time.perf_counter() - start
        rows = [line.split("|") for line in said.getvalue().splitlines() if "eval" in line]
        seconds = float(rows[-1][-2]) if rows else wall
        return {"accuracy": accuracy, "train_seconds": seconds, "wall_seconds": wall}

    run("warmup")
    return run


def fastrun_run(folder: Path, overrides: list[str], seed: int) -> dict[str, float]:
    """Make a run of the recipe."""
    where = [f"data.root={folder}", f"outputs={folder / 'outputs'}", f"seed={seed}"]
    summary = fastrun.train(["+recipe=cifar10_speedrun", *where, *overrides], quiet=True).summary
    clock = summary["clock"]
    return {
        "accuracy": summary["last"]["val/acc"],
        "train_seconds": clock["train"] + clock["data_wait"],
        "wall_seconds": clock["total"],
        "wall_seconds without compiling": clock["total"] - clock["compile"],
    }


def compare(
    folder: Path,
    root: str,
    file: Path | None,
    overrides: list[str],
    *,
    device: str,
    mode: str | None,
    seeds: int,
    left: Callable[[], float],
) -> dict[str, Any]:
    """Run both in turn, and return accuracies and times.

    Args:
        folder: for the tensors and runs.
        root: CIFAR-10 in any form that ``data=cifar10`` reads.
        file: airbench94_muon.py; None to run the recipe alone.
        overrides: changes to the recipe.
        device: the device.
        mode: torch.compile's mode for airbench; None to leave it uncompiled.
        seeds: the seeds, fewer where the time is used up.
        left: returns the seconds that are left.
    """
    write_tensors(root, folder)
    for limit in ("recompile_limit", "cache_size_limit"):  # each run compiles a network of its own
        if hasattr(torch._dynamo.config, limit):
            setattr(torch._dynamo.config, limit, 1000)
    runs: dict[str, list[dict[str, float]]] = {"fastrun": []}
    contestants: dict[str, Callable[[int], dict[str, float]]] = {}
    if file is not None:
        contestants["airbench"] = airbench_runs(file, folder, device, mode)
        runs["airbench"] = []
    fastrun_run(folder, overrides, 10_000)  # does not count: kernels are chosen, and the compiler fills its cache
    contestants["fastrun"] = lambda seed: fastrun_run(folder, overrides, seed)
    for seed in range(seeds):
        start = time.perf_counter()
        for name, contestant in contestants.items():
            runs[name].append(contestant(seed))
        if left() < 2.5 * (time.perf_counter() - start):
            break
    return _described(runs)


def _described(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return who got to 94 % how often, mean accuracies and median times, in a line and as numbers."""
    lines = []
    for name, made in runs.items():
        accuracies = [run["accuracy"] for run in made]
        reached = sum(accuracy >= TARGET for accuracy in accuracies)
        clocks = ", ".join(f"{key} {median(run[key] for run in made):.3f}" for key in made[0] if key != "accuracy")
        share = f"{reached} of {len(made)} at {TARGET:g}, mean {mean(accuracies):.4f}"
        lines.append(f"{name}: {share}, median {clocks}")
    return {"detail": "; ".join(lines), "runs": runs}
