"""Pack images, a text or a table into shards, for data=stream; check a pack."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fastrun.errors import DataError, UsageError, nearest
from fastrun.system.argument_parser import ArgumentParser

if TYPE_CHECKING:
    from fastrun.components.data.packed.manifest import Manifest

_VERBS = ("pack", "check")
_USAGE = "fastrun data pack SOURCE OUT, or fastrun data check OUT"
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_MOST = 2 * 10**9  # bytes of a shard, whose offsets have 32 bits
_LISTED = 20  # damaged files that are named


def run(arguments: list[str]) -> int:
    """Run ``data pack SOURCE OUT`` or ``data check OUT``."""
    if not arguments:
        raise UsageError("data needs to know what: pack or check", _USAGE)
    if arguments[0] in _VERBS:
        return (_pack if arguments[0] == "pack" else _check)(arguments[1:])
    if arguments[0] not in ("-h", "--help"):
        raise UsageError(f"data has no command {arguments[0]}", nearest(arguments[0], _VERBS) or _USAGE)
    parser = ArgumentParser("fastrun data", __doc__)
    parser.add_argument("verb", choices=_VERBS, help="`fastrun data pack --help` says more")
    parser.parse_args(arguments)
    return 0


def _pack(arguments: list[str]) -> int:
    given = _pack_parser().parse_args(arguments)
    from fastrun.components.data.packed.options import SHARD_BYTES, PackOptions
    from fastrun.components.data.packed.pack import check_out, kind_of, pack

    options = PackOptions(
        size=given.size,
        skip_bad=given.skip_bad,
        length=given.length or PackOptions().length,
        target=given.target,
        drop=tuple(given.drop),
        categories=tuple(given.categories),
        val_fraction=given.val_fraction,
        test_fraction=given.test_fraction,
        seed=given.seed,
        shard_bytes=given.shard_size or SHARD_BYTES,
    )
    source, out = given.source.expanduser(), given.out.expanduser()
    kind_of(source, options)
    check_out(source, out)
    start = perf_counter()
    _describe(pack(source, out, options), out, perf_counter() - start)
    return 0


def _describe(manifest: Manifest, out: Path, seconds: float) -> None:
    """Print what was packed, and how to train on it."""
    counts = ", ".join(f"{manifest.samples(name):,} {name}" for name in manifest.splits)
    size = sum(shard.bytes for shard in manifest.shards)
    shards = len(manifest.shards)
    print(f"{counts} samples in {shards:,} shard{'s' * (shards != 1)}, {size / 1e6:,.1f} MB, in {seconds:.1f} s: {out}")
    if manifest.about.get("skipped"):
        print(f"{manifest.about['skipped']:,} files were left out")
    own_size = " data.size=N" if manifest.kind == "files" and manifest.shape is None else ""
    print(f"fastrun train data=stream data.root={out}{own_size}")


def _check(arguments: list[str]) -> int:
    parser = ArgumentParser("fastrun data check", "Read all shards of a pack, and compare them with what was packed.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder that `fastrun data pack` made")
    root = parser.parse_args(arguments).out.expanduser()
    from fastrun.components.data.packed.check import find_damage

    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UsageError(f"{root} {what}", "give the folder that `fastrun data pack` made")
    manifest, damage = find_damage(root)
    for line in damage[:_LISTED]:
        print(line)
    if len(damage) > _LISTED:
        print(f"and {len(damage) - _LISTED} more")
    if damage:
        hint = "copy them again from where the pack is whole, or pack the data again"
        raise DataError(f"{root}: {len(damage)} of {len(manifest.shards)} shards are missing or damaged", hint)
    shards = len(manifest.shards)
    print(f"{root}: {'all ' * (shards != 1)}{shards:,} shard{'s are' if shards != 1 else ' is'} what was packed")
    return 0


def _pack_parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun data pack", "Pack data into shards, which data=stream reads in parts.")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an image folder, a text file, or a table")
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that is empty, or does not exist yet")
    images = parser.add_argument_group("images")
    size = "crop each image at its center, resize it, and keep its pixels; else the bytes of its file are kept"
    images.add_argument("--size", type=_size, metavar="N|HxW", help=size)
    images.add_argument("--skip-bad", action="store_true", help="leave out files that are no image or damaged")
    text = parser.add_argument_group("a text")
    text.add_argument("--length", type=_count, metavar="N", help="characters of a window (default: 64)")
    table = parser.add_argument_group("a table")
    table.add_argument("--target", metavar="COLUMN", help="the column to predict")
    several: dict[str, Any] = {"action": "append", "default": [], "metavar": "COLUMN"}
    table.add_argument("--drop", help="leave a column out; once for each", **several)
    table.add_argument("--categories", help="a column of numbers that are codes; once for each", **several)
    part = "the part to %s on, where SOURCE has no folder for it (default: %s)"
    validate, test = part % ("validate", "0.1, of a table 0.2"), part % ("test", "0.1, of a table 0.2, of a text 0")
    parser.add_argument("--val-fraction", type=_fraction, metavar="X", help=validate)
    parser.add_argument("--test-fraction", type=_fraction, metavar="X", help=test)
    parser.add_argument("--seed", type=_natural, default=0, metavar="N", help="of the split and the order (default: 0)")
    parser.add_argument(
        "--shard-size", type=_bytes, metavar="SIZE", help="of a shard, about: 16MB, 1GB (default: 67MB)"
    )
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if not match or not int(match[1]) or (match[2] is not None and not int(match[2])):
        raise ArgumentTypeError(f"{text} is no size: 224, or 224x320 for height and width")
    return int(match[1]), int(match[2] or match[1])


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdigit():
        raise ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return int(text)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise ArgumentTypeError(f"{text} is not in [0, 1)")
    return value


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(kb|mb|gb|)", text.lower())
    value = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not 1 <= value <= _MOST:
        raise ArgumentTypeError(f"{text} is no size of a shard: 16MB, at most 2GB")
    return value
