"""Images a second of the pipelines alone: batches are made, cropped and flipped, and thrown away.

    python benchmarks/loader.py [--device auto|cpu|cuda] [--rounds N] [--photos ../shared/data/cifar10-jpeg.tar.xz]

resident, workers, plain  fastrun's pipelines
slicing                   a bare loop over tensors on the device with the same augmentation, batch after batch
padded                    the same, its windows taken by indexing from images that were padded and mirrored once

Claim: resident yields at least 0.98 of the images a second of ``slicing``. All of them yield the same batches.

Then an image folder, CIFAR-10's 60,000 as JPEG files, without augmentation:

each time  ``data.cache=false pipeline=workers pipeline.num_workers=2``: decoded in every epoch
once       what ``data.cache=true`` does before the first run: decode all, write the pixels, check what was written

Claim: decoding once keeps at least 0.85 of the cores busy: the processor time of all processes, a core and a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter

import torch
from folder import decoding, photos_of
from measure import claim, device_of, device_option, in_turn, machine, on_device, parser, show, synchronize
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import TensorDataset
from twin import Resident, data_of

from fastrun.components.augment.images import Images
from fastrun.components.data.splits import Splits
from fastrun.components.device.device import choose_device
from fastrun.components.pipeline.standardize import fit_standardize
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.config.settings import PipelineConfig, Settings
from fastrun.system.seed import generator
from fastrun.training.builders.data import load_splits
from fastrun.training.builders.loaders import build_sampler, build_train_loader
from fastrun.training.builders.setup import Setup, learn

BATCH = 128
BATCHES = {"resident": 600, "slicing": 600, "padded": 600, "workers": 60, "plain": 15}  # timed a round
WARM = 5  # batches before the clock starts: workers have to be started, kernels chosen

Batches = Iterator[tuple[Tensor, Tensor]]


def settings_of(device: str) -> Settings:
    data = ("data=synthetic", "data.samples=50000", "data.val_fraction=0.02", "data.test_fraction=0.02")
    return compose([*data, f"batch.size={BATCH}", "augment=crop_flip", f"device={device_option(device)}"])


def pipeline(kind: str, settings: Settings, sets: Splits) -> Batches:
    settings.pipeline = PipelineConfig(kind=kind)
    setup, resolved = Setup(choose_device(settings.device), sets, learn(sets)), Resolved({})
    sampler = build_sampler(settings, sets, setup.device, resolved)
    return build_train_loader(settings, setup, sampler, resolved).batches(0)


def slicing(data: Resident, augment: Images) -> Batches:
    epoch, device = 0, data.x.device
    while True:
        order, draws = epoch_of(data, augment, epoch)
        for low in range(0, len(order) - data.batch + 1, data.batch):
            chosen = order[low : low + data.batch]
            x = augment(data.x.index_select(0, chosen), draws[low : low + data.batch].to(device))
            yield data.floats(x), data.y.index_select(0, chosen)
        epoch += 1


def padded(data: Resident, augment: Images) -> Batches:
    epoch, size = 0, data.x.shape[-1]
    images = pad(data.x, [augment.pad] * 4)
    both = torch.cat([images, images.flip(-1)])  # mirrored ones behind
    windows = both.unfold(2, size, 1).unfold(3, size, 1)  # [images, channels, rows, columns, height, width]
    while True:
        order, draws = epoch_of(data, augment, epoch)
        for low in range(0, len(order) - data.batch + 1, data.batch):
            chosen, drawn = order[low : low + data.batch], draws[low : low + data.batch]
            row, column, mirrored = drawn[:, 0], drawn[:, 1], drawn[:, 2]
            column = torch.where(mirrored == 1, 2 * augment.pad - column, column)
            x = windows[chosen + mirrored * len(data.x), :, row, column]
            yield data.floats(x), data.y.index_select(0, chosen)
        epoch += 1


def epoch_of(data: Resident, augment: Images, epoch: int) -> tuple[Tensor, Tensor]:
    """Return an epoch's order and draws, those that fastrun has."""
    order = torch.randperm(len(data.x), generator=generator(data.seed, "order", epoch))
    draws = augment.draw(order, data.seed, epoch)
    return order.to(data.x.device), draws.to(data.x.device)


def images_a_second(batches: Callable[[], Batches], count: int, device: torch.device) -> float:
    running = batches()
    for _ in islice(running, WARM):
        pass
    synchronize(device)
    start = perf_counter()
    for _ in islice(running, count):
        pass
    synchronize(device)
    return count * BATCH / (perf_counter() - start)


def same_batches(makers: dict[str, Callable[[], Batches]]) -> None:
    """Compare the first batches of all."""
    expected = list(islice(makers["resident"](), 3))
    for name, maker in makers.items():
        for (x, y), (wanted_x, wanted_y) in zip(islice(maker(), 3), expected, strict=True):
            assert torch.equal(y, wanted_y), f"{name} has other labels"
            assert torch.allclose(x, wanted_x, atol=1e-5), f"{name} has other images"
    print(f"the same batches: {', '.join(makers)}")


def contestants_of(settings: Settings, sets: Splits, device: torch.device) -> dict[str, Callable[[], Batches]]:
    assert isinstance(sets.train, TensorDataset)
    augment = Images(sets.in_shape, sets.num_classes, flip="random")
    data = data_of(settings, sets, fit_standardize(sets.train), device)
    ours = {kind: partial(pipeline, kind, settings, sets) for kind in ("resident", "workers", "plain")}
    return ours | {"slicing": partial(slicing, data, augment), "padded": partial(padded, data, augment)}


def options() -> argparse.Namespace:
    made = on_device(parser(__doc__))
    made.add_argument("--photos", type=Path, default="../shared/data/cifar10-jpeg.tar.xz", help="(%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    device = device_of(asked.device)
    settings = settings_of(asked.device)
    makers = contestants_of(settings, load_splits(settings), device)
    machine(device)
    same_batches(makers)
    timed = {name: partial(images_a_second, maker, BATCHES[name], device) for name, maker in makers.items()}
    values = in_turn(timed, asked.rounds)
    show(f"batches of {BATCH} images of 3x32x32, cropped and flipped", values, "slicing", "images/s")
    claim(values, "resident", "slicing", "at least 0.98")
    decoding(photos_of(asked.photos), asked.rounds)


if __name__ == "__main__":
    main()
