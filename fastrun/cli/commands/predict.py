"""Predict with the network of a run: classes of images or rows, numbers, or text that goes on."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from fastrun.errors import DataError, UsageError
from fastrun.report.find_run import check_is_run, find_run
from fastrun.report.new_file import check_new
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.system import streams
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.training.trained.model import TrainedNetwork

_FILES = ("csv", "jsonl", "parquet")


def run(arguments: list[str]) -> int:
    """Print predictions, or write them to files."""
    given = _parser().parse_intermixed_args(arguments)
    files = {name: Path(path) for name in _FILES if (path := getattr(given, name)) is not None}
    _check(given, files)
    path = find_run(given.run)
    check_is_run(path, given.run)
    trained = _load(RunDir(path), given)
    return _generate(trained, given) if given.prompt is not None else _predict(trained, given, files)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun predict", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run: its directory, `latest`, `best`, an id …")
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="images, tables, texts, .npy files, folders, patterns, or - for a CSV table",
    )
    parser.add_argument("--ckpt", default="best", metavar="CKPT", help="best, last or a path (default: best)")
    parser.add_argument("--csv", metavar="FILE", help="write the value of every class or number")
    parser.add_argument("--jsonl", metavar="FILE", help="the same, an object a line")
    parser.add_argument("--parquet", metavar="FILE", help="the same, for data frames")
    parser.add_argument("--batch", type=int, metavar="N", help="samples that are computed at once")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), help="default: as in training")
    parser.add_argument("--prompt", metavar="TEXT", help="the beginning of a text, for a network of text")
    parser.add_argument(
        "--length", type=int, default=200, metavar="N", help="characters or tokens to write (default: 200)"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.8, metavar="T", help="0: the most likely one (default: 0.8)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what is drawn (default: 0)")
    return parser


def _check(given: Namespace, files: dict[str, Path]) -> None:
    """Check what can be checked before anything is loaded.

    Raises:
        UsageError: there is nothing to predict for, a file exists, or a number is out of range.
    """
    if given.prompt is None and not given.inputs:
        raise UsageError(
            "there is nothing to predict for", "fastrun predict RUN photo.jpg, or --prompt TEXT for a network of text"
        )
    if given.prompt is not None and (given.inputs or files):
        named = given.inputs[0] if given.inputs else f"--{next(iter(files))}"
        raise UsageError(f"--prompt continues a text, and {named} is for predictions", "leave out one of the two")
    for name, least in {"batch": 1, "length": 1, "temperature": 0, "seed": 0}.items():
        value = getattr(given, name)
        if value is not None and not least <= value < float("inf"):
            raise UsageError(f"--{name} {value} is too small or no number", f"use {least} or more")
    for path in files.values():
        check_new(path)
    if given.inputs and all(_is_missing(word) for word in given.inputs):
        raise DataError(f"{given.inputs[0]} does not exist", "give files, folders, patterns, or - for standard input")


def _is_missing(word: str) -> bool:
    return word != "-" and not has_magic(word) and not Path(word).exists()


def _load(directory: RunDir, given: Namespace) -> TrainedNetwork:
    from fastrun import compose

    settings = compose.from_config(directory.config(), [], has_trackers=False)
    checkpoint = select(directory.checkpoints, given.ckpt, settings.target.metric, settings.metrics)
    if given.device is not None:
        settings = replace(settings, device=replace(settings.device, accelerator=given.device))
    from fastrun.training.trained.forward import in_one_process
    from fastrun.training.trained.model import load_network

    return load_network(checkpoint, in_one_process(settings))


def _predict(trained: TrainedNetwork, given: Namespace, files: dict[str, Path]) -> int:
    from fastrun.cli import predictions
    from fastrun.components.data.inputs import input_kind
    from fastrun.components.data.progress import show_progress
    from fastrun.training.trained.predict import predict
    from fastrun.training.trained.sources import find_sources

    sources = find_sources(given.inputs, input_kind(trained.learned))
    with show_progress("predicting", len(sources)) as progress:
        found = predict(trained, sources, given.batch, progress)
    for reason in found.failed.values():
        streams.say_error(f"left out: {reason}")
    for name, path in files.items():
        predictions.write(found, path, name)
        print(f"{len(found.names):,} predictions written: {path}")
    if not files:
        predictions.show(found)
    return DataError.exit_code if found.failed else 0


def _generate(trained: TrainedNetwork, given: Namespace) -> int:
    from fastrun.training.trained.generate import generate

    texts = generate(trained, given.prompt, given.length, given.temperature, given.seed)
    first = next(texts, "")  # what is wrong with the prompt shows before anything is printed
    print(given.prompt + first, end="", flush=True)
    for text in texts:
        print(text, end="", flush=sys.stdout.isatty())
    print()
    return 0
