"""Images a second that are streamed from shards, and the memory that a long epoch takes.

    python benchmarks/stream.py [--rounds N] [--images 20000] [--large]

stream    ``data=stream pipeline=workers pipeline.num_workers=2``: JPEG files of 64x64, decoded and standardized
litdata   litdata's own StreamingDataset and StreamingDataLoader with two workers, over the same shards, shuffled, with
          the same decoding and standardizing
resident  ``pipeline=resident``: the same images, decoded before

Claim: stream yields at least 0.9 of the images a second of ``litdata``.

Then an epoch of decoded images that take 400 MB (20 GB with --large), read by two workers. Claim: from a tenth of the
epoch on, the peak memory of the process and its workers together grows by at most a tenth of the set.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from measure import claim, in_turn, machine, parser, show

from fastrun.components.data.packed.manifest import Manifest, write_manifest
from fastrun.components.data.packed.options import PackOptions
from fastrun.components.data.packed.pack import pack
from fastrun.components.data.packed.samples import DecodeFile
from fastrun.components.data.packed.shards import write_shards
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.task import Task
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.system.proc import fields
from fastrun.training.builders.loaders import build_sampler, build_train_loader
from fastrun.training.builders.setup import Setup, scaling_on, set_up

SIDE, BATCH, WORKERS, WARM = 64, 128, 2, 8
SMALL, LARGE = 400_000_000, 20_000_000_000  # bytes of the set whose epoch should take little memory
CPU = torch.device("cpu")


def photos(folder: Path, count: int) -> Path:
    """Write smooth images of two classes as JPEG files, all in ``train``."""
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / "train" / name).mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        image = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image.save(folder / "train" / "ab"[number % 2] / f"{number}.jpg", quality=90)
    return folder


def pixels(folder: Path, size: int) -> Path:
    """Write a pack of decoded images that take so many bytes."""
    count, random = size // (3 * SIDE * SIDE), torch.Generator().manual_seed(0)

    def samples(number: int) -> Iterator[tuple[torch.Tensor, int]]:
        for index in range(number):
            yield torch.randint(256, (3, SIDE, SIDE), dtype=torch.uint8, generator=random), index % 2

    counts = {"train": count, "val": BATCH}
    splits = {name: write_shards(folder, name, samples(number), size // 100) for name, number in counts.items()}
    task, moments = asdict(Task("classification", 2)), ([127.5] * 3, [74.0] * 3)
    write_manifest(folder, Manifest("pixels", (3, SIDE, SIDE), ["a", "b"], task, splits, *moments))
    return folder


def set_up_stream(root: Path, kind: str) -> tuple[Setup, Iterator[Any], int]:
    """Return the data, the batches of fastrun's pipeline, and their number in an epoch."""
    workers = [] if kind == "resident" else [f"pipeline.num_workers={WORKERS}"]
    overrides = [f"data.root={root}", f"batch.size={BATCH}", f"pipeline={kind}", "device=cpu", *workers]
    settings, resolved = compose(["data=stream", *overrides]), Resolved({})
    setup = set_up(settings)
    sampler = build_sampler(settings, setup.splits, setup.device, resolved)
    return setup, build_train_loader(settings, setup, sampler, resolved).batches(0), sampler.steps_per_epoch


def streamed(root: Path, kind: str) -> float:
    """Return the images a second of an epoch of a pipeline of fastrun."""
    _, batches, steps = set_up_stream(root, kind)
    return pace(batches, steps)


def by_litdata(root: Path) -> float:
    """Return the images a second of an epoch of litdata's own loader."""
    from litdata import StreamingDataLoader, StreamingDataset

    setup, _, _ = set_up_stream(root, "workers")
    prepare, decode = Preparation(scaling_on(CPU, setup.learned)), DecodeFile(None, (3, SIDE, SIDE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = StreamingDataset(str(root / "train"), shuffle=True, seed=0, transform=decode)
        loader = StreamingDataLoader(samples, batch_size=BATCH, num_workers=WORKERS, prefetch_factor=4)
        return pace((prepare(tuple(batch)) for batch in loader), len(loader))


def pace(batches: Iterator[Any], steps: int) -> float:
    """Return the images a second from a batch on when the workers have started, up to the end of the epoch."""
    for _ in range(WARM):
        next(batches)
    begin, images = perf_counter(), 0
    for _ in range(WARM, steps):
        images += len(next(batches)[0])
    return images / (perf_counter() - begin)


def memory(root: Path) -> tuple[int, int]:
    """Return the peak memory of this process and its workers, in bytes, a tenth into an epoch and at its end."""
    _, batches, steps = set_up_stream(root, "workers")
    for _ in range(steps // 10):
        next(batches)
    early = peak()
    for _ in range(steps // 10, steps):
        next(batches)
    return early, peak()


def peak() -> int:
    """Return the sum of the peaks of this process and its children, in bytes."""
    own = os.getpid()
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return sum(int(fields(f"/proc/{pid}/status").get("VmHWM", "0").split()[0]) << 10 for pid in (own, *children))


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--images", type=int, default=20_000)
    made.add_argument("--large", action="store_true")
    return made.parse_args()


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    machine(CPU)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(photos(folder / "photos", given.images), folder / "files", PackOptions(shard_bytes=2 << 20))
        contestants = {
            "stream": partial(streamed, folder / "files", "workers"),
            "litdata": partial(by_litdata, folder / "files"),
            "resident": partial(streamed, folder / "files", "resident"),
        }
        values = in_turn(contestants, given.rounds)
        title = f"an epoch of {given.images:,} JPEG images of {SIDE}x{SIDE}, {WORKERS} workers"
        show(title, values, "litdata", "images/s")
        claim(values, "stream", "litdata", "at least 0.9")
        claim(values, "stream", "resident", "as it is")
        size = LARGE if given.large else SMALL
        early, late = memory(pixels(folder / "pixels", size))
        peaks = f"{early / 1e6:,.0f} MB after a tenth of it, {late / 1e6:,.0f} MB at the end"
        print(f"\npeak memory of an epoch of {size / 1e6:,.0f} MB: {peaks}")
        print(f"  growth / the set: {(late - early) / size:.3f} (should be at most 0.1)")


if __name__ == "__main__":
    main()
