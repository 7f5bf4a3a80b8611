"""A data set of the library datasets: Parquet, JSON lines or CSV on this machine, or a name of the hub.

Source: Lhoest et al. 2021, "Datasets: A community library for natural language processing".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.hf_rows import HubRows, read_rows
from fastrun.components.data.hf_target import read_targets
from fastrun.components.data.learned import NEW, DataState
from fastrun.components.data.picture import Size, to_pixels
from fastrun.components.data.sample_names import NamedSamples, RowNames
from fastrun.components.data.stratified_split import split_indices
from fastrun.components.data.text_file import SOURCE_HINT
from fastrun.components.data.token_blocks import TOKENIZER, blocks, describe_tokens, encode_parts
from fastrun.components.tokenizer.characters import CharacterTrainer
from fastrun.components.tokenizer.protocol import Tokenizer, Trainer
from fastrun.components.tokenizer.restore import restore
from fastrun.config.constraints import BelowOne, Count, Natural
from fastrun.errors import ConfigError, DataError


def hf(
    source: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    text: str | None = None,
    image: str | None = None,
    target: str | None = None,
    length: Count = 128,
    size: Count | None = None,
    val_fraction: BelowOne = 0.1,
    test_fraction: BelowOne = 0.1,
    split_seed: Natural = 0,
    tokenizer: Trainer | None = None,
    learned: DataState | None = None,
) -> dict[str, Any]:
    """Return texts or images with targets, or blocks of text whose next tokens are the targets.

    With a target, a text becomes int64 ``[length]``: cut off, or filled up with a token that the network masks. Without
    one, the texts of a split follow one another and are cut into blocks as by ``data=text``. Images are uint8
    ``[channels, height, width]``. Targets that are words, whole numbers or booleans are classes; others are numbers.
    Splits are those that the source has; where there is only one, parts of it are taken.

    Args:
        source: a file, a folder, or a name of the hub.
        subset: one of several data sets under one name, which the hub calls a configuration.
        revision: the branch, tag or commit of the hub; None for the newest.
        text: the column of the texts.
        image: the column of the images, instead of ``text``.
        target: the column of the targets; None for next tokens.
        length: the tokens of a sample.
        size: the height and width that images are resized to; None to keep them as they are.
        val_fraction: the part of the rows to validate on, where the source has no such split.
        test_fraction: the part of the rows to test on, where the source has no such split; 0 for no test set.
        split_seed: the seed of that split.
        tokenizer: what makes a tokenizer, from the group of this name; None for characters.
        learned: what a run learned from its data, to prepare and split the rows as that run did.

    Raises:
        ConfigError: ``source`` or a column is not set, or there is no such source or column.
        DataError: the data cannot be read, or cannot be learned from.
    """
    if source is None:
        raise ConfigError("data.source is not set", SOURCE_HINT)
    if learned is not None and revision is None and not learned.is_new:
        revision = learned.fingerprint.get("revision")  # the commit that the run began with
    columns = {"text": text, "image": image, "target": target}
    rows = read_rows(source, subset, revision, {key: name for key, name in columns.items() if name is not None})
    if image is not None and tokenizer is not None:
        raise ConfigError("data.image is set, and a tokenizer is for texts", "use tokenizer=characters")
    found: dict[str, Any] = {"fingerprint": rows.fingerprint}
    fractions = {"val": val_fraction, "test": test_fraction}
    if target is None:
        return found | _language(rows, length, fractions, split_seed, tokenizer, learned)
    y, classes = read_targets(rows.column("target"), rows.class_names, target, learned)
    split = _split(rows, y if classes else None, fractions, split_seed, learned)
    if image is not None:
        x, encoding, about = _images(rows, size)
    else:
        x, encoding, about = _texts(rows, split["train" if "train" in split else NEW], length, tokenizer, learned)
        encoding |= {"text": text}
    samples = {name: _named(rows, x, y, own) for name, own in split.items()}
    return found | samples | _rest(split, encoding | {"target": target}, about, classes)


def _named(rows: HubRows, x: Tensor, y: Tensor, own: Tensor) -> TensorDataset:
    return NamedSamples(x[own], y[own], RowNames(rows.source, own.tolist()))


def _rest(
    split: dict[str, Tensor], encoding: dict[str, Any], about: dict[str, Any], classes: list[str] | None
) -> dict[str, Any]:
    others = {name: own for name, own in split.items() if name not in ("train", NEW)}
    return {"split": others, "encoding": encoding, "about": about, "classes": classes}


def _split(
    rows: HubRows, y: Tensor | None, fractions: dict[str, float], seed: int, learned: DataState | None
) -> dict[str, Tensor]:
    """Return the indices of the rows of each split: the source's own, else parts, class by class if there are any."""
    if learned is not None:
        return learned.split_indices(rows.count)
    own = dict(rows.splits)
    missing = {name: part for name, part in fractions.items() if name not in own and part}
    if "test" in missing and "val" in own:
        del missing["test"]  # the source says how it is split
    if missing:
        train = torch.tensor(own["train"])
        parts = split_indices(torch.zeros(len(train)) if y is None else y[train], missing, seed)
        return {name: train[part] for name, part in parts.items()} | {
            name: torch.tensor(part) for name, part in own.items() if name != "train"
        }
    return {name: torch.tensor(part) for name, part in own.items()}


def _texts(
    rows: HubRows, train: Tensor, length: int, trainer: Trainer | None, learned: DataState | None
) -> tuple[Tensor, dict[str, Any], dict[str, Any]]:
    """Return the tokens of each text, int64 ``[rows, length]``, and what a run keeps and records of them."""
    texts = rows.column("text")
    tokenizer: Tokenizer
    if learned is not None:
        assert learned.tokenizer is not None
        tokenizer, length = restore(learned.tokenizer), learned.in_shape[0]
    else:
        maker: Trainer = trainer or CharacterTrainer()
        tokenizer = maker.train((texts[index] for index in train.tolist()), pads=True)
    x = torch.tensor(tokenizer.encode_whole(texts, length))
    assert tokenizer.pad is not None
    about = {"vocabulary": len(tokenizer.names), "filled": round(float(x.eq(tokenizer.pad).float().mean()), 4)}
    return x, {TOKENIZER: tokenizer.state()}, about


def _language(
    rows: HubRows,
    length: int,
    fractions: dict[str, float],
    seed: int,
    trainer: Trainer | None,
    learned: DataState | None,
) -> dict[str, Any]:
    """Return blocks of the texts of each split, one after the other."""
    texts = rows.column("text")
    split = _split(rows, None, fractions, seed, learned)
    documents: dict[str, Sequence[str]] = {name: _documents(texts, own) for name, own in split.items()}
    maker: Trainer = trainer or CharacterTrainer()
    tokenizer, parts = encode_parts(documents, maker, learned)
    samples = {name: blocks(name, part, length, None) for name, part in parts.items()}
    about = {"documents": {name: len(own) for name, own in split.items()}}
    about |= describe_tokens(tokenizer, documents, parts)
    return samples | _rest(split, {TOKENIZER: tokenizer.state()}, about, tokenizer.names)


def _documents(texts: Sequence[str], own: Tensor) -> list[str]:
    """Return the texts of a split, each of which ends with a line."""
    return [texts[index] if texts[index].endswith("\n") else f"{texts[index]}\n" for index in own.tolist()]


def _images(rows: HubRows, size: int | None) -> tuple[Tensor, dict[str, Any], dict[str, Any]]:
    """Return the pixels of each image, uint8 ``[rows, channels, height, width]``; gray ones have one channel."""
    images = rows.column("image")
    if not all(hasattr(image, "getbands") for image in images):
        raise ConfigError("data.image names a column that holds no images", f"its columns are {', '.join(rows.names)}")
    sides: Size | None = (size, size) if size else None
    is_gray = all(image.mode in ("L", "1") for image in images)
    pixels = [torch.from_numpy(to_pixels(image, sides, is_gray).copy()) for image in images]
    shapes = sorted({tuple(one.shape) for one in pixels})
    if len(shapes) > 1:
        message = f"images have different shapes, such as {list(shapes[0])} and {list(shapes[1])}"
        raise DataError(message, "data.size=64 resizes them")
    return torch.stack(pixels), {"size": sides} if sides else {}, {}
