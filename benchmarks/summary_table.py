"""What the well-known heuristics bring, measured: one study of all of them on images, on text and on a table.

    python benchmarks/summary_table.py --outputs FOLDER [--data FOLDER] [--cifar FOLDER] [--only NAME ...] [--blocks N]

Each study is a call of ``fastrun ablate`` in FOLDER, and goes on where an earlier call of this script stopped. Early
stopping has no time to a target, so it is judged by the seconds that it saves and the metric that it loses, over as
many seeds. The results are written to ``benchmarks/measured.json``, from which
``python docs/measured.py`` makes ``docs/measured.md``.

``--data`` has ``fashion-mnist/`` and ``tinyshakespeare.txt``; ``--cifar`` has CIFAR-10 as JPEG files, a folder a class
in ``train/``, for the study of transfer: two classes of few images, with a network that was trained on the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from scipy import stats
from sklearn.datasets import load_digits

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule, judge
from fastrun.study.verdict.observation import Observation
from fastrun.system.processor import cpu_name

RESULTS = Path(__file__).with_name("measured.json")
COMMON = ("device=cpu", "speed.threads=1", "sweep.jobs=2")
NETWORK = ("model=resnet", "model.depth=8", "model.width=8", "init=he_normal", "norm=batch", "optimizer=adamw")
DEEP = tuple(text.replace("depth=8", "depth=56") for text in NETWORK)
SPEED = ("schedule=onecycle", "clip=norm", "amp=bf16", "pipeline=resident")
FEW, TRANSFERRED = 100, ("automobile", "horse")  # images of each class of the study of transfer


@dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
        what: the data and the network, in words.
        overrides: the command line of the full run.
        factors: what is taken away from it.
        blocks: how many seeds; None for the least that can decide.
    """

    what: str
    overrides: tuple[str, ...]
    factors: tuple[str, ...]
    blocks: int | None = None


def studies(data: Path, cifar: Path | None, outputs: Path) -> dict[str, Study]:
    """Return the studies; that of transfer only where there are images for it."""
    fashion = ("data=fashion_mnist", f"data.root={data / 'fashion-mnist'}")
    text = ("+recipe=text_gpt", f"data.root={data / 'tinyshakespeare.txt'}", "model.width=32", "model.depth=2")
    table = ("+recipe=table_mlp", f"data.root={digits_table(outputs / 'digits.csv')}", "data.target=digit")
    image = (*NETWORK, *SPEED, *fashion, "optimizer.lr=0.01", "batch.size=64", "steps=150", "target.value=0.75")
    image_words = "Fashion-MNIST, a residual network of 8 layers"
    found = {
        "images": Study(image_words, image, ("init", "optimizer", "schedule", "norm", "clip", "amp"), 9),
        "images_batch": Study(image_words, image, ("batch.size=512",), 9),
        "images_pipeline": Study(image_words, image, ("pipeline",), 9),
        "images_skips": Study(image_words, image, ("model",), 9),
        "deep": Study(
            "scikit-learn's digits as images, a residual network of 56 layers",
            (*DEEP, *SPEED, "data=digits", "batch.size=64", "steps=88", "target.value=0.85"),
            ("model",),
        ),
        "text": Study(
            "tiny Shakespeare by character, a small GPT",
            (*text, "data.length=32", "amp=bf16", "steps=150", "target.metric=val/loss"),
            ("optimizer", "schedule", "clip", "amp", "batch.size=256"),
            9,
        ),
        "table": Study(
            "scikit-learn's digits as a table of 64 columns, a dense network",
            (*table, "norm=batch", "clip=norm", "pipeline=resident", "epochs=8", "target.value=0.95"),
            ("init", "optimizer", "schedule", "norm", "clip", "pipeline", "batch.size=256"),
        ),
    }
    if cifar is not None:
        few, source = few_images(cifar, outputs / "few"), trained_source(cifar, outputs)
        images = ("data=image_folder", f"data.root={few}", "data.val_fraction=0.5", "data.test_fraction=0")
        short = ("optimizer.lr=0.01", "batch.size=20", "epochs=10", "target.value=0.87")
        found["transfer"] = Study(
            f"{FEW} images each of two classes of CIFAR-10, a residual network trained on the other eight",
            (*NETWORK, *SPEED, *images, *short, "transfer=finetune", f"transfer.source={source}"),
            ("transfer",),
            9,
        )
    return found


def digits_table(path: Path) -> Path:
    """Write scikit-learn's digits as a CSV file."""
    digits = load_digits()
    rows = np.column_stack([digits.data.astype(int), digits.target])
    header = ",".join([*(f"p{number}" for number in range(64)), "digit"])
    np.savetxt(path, rows, fmt="%d", delimiter=",", header=header, comments="")
    return path


def few_images(cifar: Path, folder: Path) -> Path:
    """Return a folder with links to a few images of two classes."""
    for name in TRANSFERRED:
        (folder / "train" / name).mkdir(parents=True, exist_ok=True)
        for file in sorted((cifar / "train" / name).iterdir())[:FEW]:
            link_to(file, folder / "train" / name / file.name)
    return folder


def trained_source(cifar: Path, outputs: Path) -> Path:
    """Return the run of a network that is trained on the other classes."""
    folder = outputs / "eight"
    (folder / "train").mkdir(parents=True, exist_ok=True)
    for one in (cifar / "train").iterdir():
        if one.name not in TRANSFERRED:
            link_to(one, folder / "train" / one.name)
    if not (runs := finished(outputs / "source")):
        images = ("data=image_folder", f"data.root={folder}", "data.test_fraction=0", "batch.size=128", "steps=300")
        network = [*NETWORK, *SPEED, *images, "optimizer.lr=0.01", "device=cpu", "speed.threads=1"]
        fastrun("train", *network, "name=source", f"outputs={outputs}")
        runs = finished(outputs / "source")
    return runs[0]


def link_to(target: Path, link: Path) -> None:
    if not link.exists():
        link.symlink_to(target.resolve())


def finished(folder: Path) -> list[Path]:
    """Return the runs in a folder that have ended well."""
    return [file.parent for file in sorted(folder.glob("*/summary.json"))]


def fastrun(*arguments: str) -> None:
    """Call fastrun, with what it says in the terminal."""
    subprocess.run([sys.executable, "-m", "fastrun", *arguments], check=True)


def carry_out(name: str, study: Study, outputs: Path) -> Path:
    """Make a study, or go on with it, and return its folder."""
    found = sorted((outputs / name).glob("study-*"))
    if not found:
        factors = ",".join(study.factors)
        blocks = () if study.blocks is None else (f"study.blocks={study.blocks}",)
        keys = (f"study.factors=[{factors}]", "study.plain=false", *blocks, f"name={name}", f"outputs={outputs}")
        fastrun("ablate", *study.overrides, *COMMON, *keys)
        found = sorted((outputs / name).glob("study-*"))
    elif not (found[-1] / "verdicts.json").exists():
        fastrun("resume", str(found[-1]))
    return found[-1]


def result(study: Study, folder: Path) -> dict[str, Any]:
    """Return what a study found, as it is kept."""
    files = ("plan.json", "verdicts.json", "timing.json")
    plan, verdicts, timing = (json.loads((folder / name).read_text()) for name in files)
    return {
        "what": study.what,
        "overrides": [text for text in study.overrides if "=/" not in text],
        "target": {key: plan["target"].get(key) for key in ("metric", "value")},
        "blocks": len(plan["seeds"]),
        "base_steps": plan["base_steps"],
        "cpu_share": timing["cpu_share"],
        "verdicts": verdicts,
    }


def early_stopping(outputs: Path, seeds: int) -> dict[str, Any]:
    """Return what early stopping saves and loses in runs that are longer than they need to be."""
    network = ("+recipe=mlp_fast", "norm=batch", "clip=norm", "schedule=constant", "epochs=60", "val_every=1ep")
    runs = sorted((outputs / "early").glob("sweep-*"))
    if not runs:
        values = ("early_stopping=none,patience", f"seed={','.join(map(str, range(seeds)))}")
        shared = ("name=early", f"outputs={outputs}")
        fastrun("train", *network, *COMMON, *shared, "-m", *values)
        runs = sorted((outputs / "early").glob("sweep-*"))
    ended: dict[str, dict[int, dict[str, Any]]] = {"none": {}, "patience": {}}
    for folder in finished(runs[-1]):
        summary = json.loads((folder / "summary.json").read_text())
        ended[summary["heuristics"]["early_stopping"]["used"]][summary["seed"]] = summary
    blocks = [
        {name: Observation(one[seed]["steps"], 1.0) for name, one in ended.items()} for seed in sorted(ended["none"])
    ]
    verdict = judge(blocks, [Contrast("early_stopping", "without", "none", "patience")], Rule())[0]
    best = {name: np.array([one[seed]["best"]["value"] for seed in sorted(one)]) for name, one in ended.items()}
    lost = best["none"] - best["patience"]
    half = stats.t.ppf(0.975, len(lost) - 1) * stats.sem(lost)
    return {
        "ratio": verdict.ratio,
        "low": verdict.low,
        "high": verdict.high,
        "p": verdict.p,
        "metric": ended["none"][0]["best"]["metric"],
        "lost": mean(lost),
        "lost_interval": [float(mean(lost) - half), float(mean(lost) + half)],
        "seeds": len(blocks),
    }


def chosen(found: dict[str, Study], only: list[str] | None, blocks: int | None) -> Iterator[tuple[str, Study]]:
    for name, study in found.items():
        if only is None or name in only:
            yield name, study if blocks is None else Study(study.what, study.overrides, study.factors, blocks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--only", action="append", help="studies to make; else all")
    parser.add_argument("--blocks", type=int)
    given = parser.parse_args()
    outputs, data = given.outputs.absolute(), given.data.absolute()
    outputs.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept["machine"] = f"{cpu_name()}, {os.cpu_count()} cores"
    for name, study in chosen(studies(data, given.cifar, outputs), given.only, given.blocks):
        kept[name] = result(study, carry_out(name, study, outputs))
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    if given.only is None or "early_stopping" in given.only:
        kept["early_stopping"] = early_stopping(outputs, given.blocks or 9)
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
