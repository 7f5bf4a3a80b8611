"""Reads the rows of a data set with the library datasets, from files here or from a name of the hub."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrun.components.hub import INSTALL_HUB, find_folder
from fastrun.config.paths import cache
from fastrun.errors import ConfigError, DataError, FastrunError, nearest

_BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv", ".tsv": "csv"}
_SPLITS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_SUFFIXES = "parquet json jsonl csv tsv md yaml zip tar jpg jpeg png"  # of the files that are downloaded

log = logging.getLogger("fastrun")


@dataclass(frozen=True)
class HubRows:
    """The rows of a data set.

    Attributes:
        source: as it was typed.
        values: the values of ``text``, ``image`` and ``target``, of all splits one after the other.
        names: the names of all columns.
        class_names: the names of the classes of the target, where the data set has them.
        splits: the indices of the rows of ``train``, and of ``val`` and ``test`` where the source has them.
        fingerprint: which data it is.
    """

    source: str
    values: dict[str, list[Any]]
    names: list[str]
    class_names: list[str] | None
    splits: dict[str, list[int]]
    fingerprint: dict[str, Any]

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.splits.values()))

    def column(self, key: str) -> list[Any]:
        """Return the values of ``text``, ``image`` or ``target``."""
        return self.values[key]


def read_rows(source: str, subset: str | None, revision: str | None, columns: Mapping[str, str]) -> HubRows:
    """Read the rows that have a value in each of some columns.

    Args:
        source: a file, a folder, or a name of the hub.
        subset: one of several data sets under one name.
        revision: the branch, tag or commit of the hub.
        columns: the names of the columns, by ``text``, ``image`` and ``target``.

    Raises:
        ConfigError: there is no such source or column, or the library is not installed.
        DataError: the files cannot be read, or have no rows.
    """
    datasets = _import_datasets()
    folder = find_folder("data.source", source, revision, [f"*.{suffix}" for suffix in _SUFFIXES.split()], "dataset")
    with _quiet(datasets):
        parts = _named_splits(_load(datasets, source, folder.path, subset))
        first = next(iter(parts.values()))
        _check_columns(first.column_names, columns)
        class_names = _class_names(first.features[columns["target"]]) if "target" in columns else None
        values: dict[str, list[Any]] = {key: [] for key in columns}
        splits: dict[str, list[int]] = {}
        digest, low = hashlib.sha256(), 0
        for name, part in parts.items():
            read = _complete_rows(name, part, columns, class_names is not None)
            count = len(next(iter(read.values()), []))
            if not count:
                continue
            for key, own in read.items():
                values[key] += own
                _add_to(digest, own)
            splits[name] = list(range(low, low + count))
            low += count
    if "train" not in splits:
        raise DataError(f"data.source={source} has no rows to train on", "check the columns and the files")
    found = {"revision": folder.revision} if folder.revision else {}
    fingerprint = {"rows": low, "sha256": digest.hexdigest()} | found
    return HubRows(source, values, list(first.column_names), class_names, splits, fingerprint)


def _load(datasets: Any, source: str, path: Path, subset: str | None) -> dict[str, Any]:
    """Return the splits of a file or folder, as the library calls them."""
    try:
        if path.is_dir() and any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
            loaded = datasets.load_from_disk(str(path))
            return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}
        if path.is_dir():
            return dict(datasets.load_dataset(str(path), subset, cache_dir=str(cache() / "datasets")))
        builder = _BUILDERS.get(path.suffix.lower())
        if builder is None:
            raise ConfigError(f"data.source={source}: cannot read {path.suffix or 'files without a suffix'}", _HINT)
        options = {"delimiter": "\t"} if path.suffix.lower() == ".tsv" else {}
        files = {"train": str(path)}
        return dict(datasets.load_dataset(builder, data_files=files, cache_dir=str(cache() / "datasets"), **options))
    except FastrunError:
        raise
    except Exception as error:  # the library and those below it have errors of all kinds
        cause = error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
        raise DataError(f"data.source={source} cannot be read: {reason}", _HINT) from error


_HINT = "it takes .parquet, .jsonl and .csv files with a row a sample, or a folder of such files"


def _named_splits(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the splits by fastrun's names; of a single one, whatever its name, all else is taken."""
    named = {_SPLITS[name]: part for name, part in parts.items() if name in _SPLITS}
    if "train" not in named and len(parts) == 1:
        named = {"train": next(iter(parts.values()))}
    order = [name for name in ("train", "val", "test") if name in named]
    if unused := [name for name in parts if name not in _SPLITS and len(parts) > 1]:
        log.info(f"splits that are not used: {', '.join(unused)}")
    if "train" not in named:
        raise DataError(f"the data has no split train, but {', '.join(parts)}", "name a file: data.source=FILE")
    return {name: named[name] for name in order}


def _check_columns(names: Sequence[str], columns: Mapping[str, str]) -> None:
    listed = f"its columns are {', '.join(names)}"
    for key, name in columns.items():
        if name not in names:
            raise ConfigError(f"data.{key}={name}: the data has no such column", nearest(name, names) or listed)
    if {"text", "image"} <= columns.keys():
        raise ConfigError("data.text and data.image are both set", f"leave out one of them; {listed}")
    if not {"text", "image"} & columns.keys():
        raise ConfigError("neither data.text nor data.image is set", listed)
    if "image" in columns and "target" not in columns:
        raise ConfigError("data.target is not set", listed)


def _class_names(feature: Any) -> list[str] | None:
    names = getattr(feature, "names", None)
    return list(names) if names is not None else None


def _complete_rows(name: str, part: Any, columns: Mapping[str, str], has_names: bool) -> dict[str, list[Any]]:
    """Return the values of the rows that lack none; a class of -1 is a label that is not given."""
    read = {key: list(part[column]) for key, column in columns.items()}
    missing = {index for own in read.values() for index, value in enumerate(own) if value is None}
    if has_names:
        missing |= {index for index, value in enumerate(read["target"]) if value == -1}
    if not missing:
        return read
    log.info(f"{name}: {len(missing):,} rows lack a value of {', '.join(columns.values())} and are left out")
    return {key: [value for index, value in enumerate(own) if index not in missing] for key, own in read.items()}


def _add_to(digest: Any, values: Sequence[Any]) -> None:
    for value in values:
        content = value.tobytes() if hasattr(value, "getbands") else repr(value).encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)


def _import_datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError("data=hf needs the package datasets, which is not installed", INSTALL_HUB) from error
    return datasets


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Keep the progress bars and the remarks of the library off the screen."""
    logging_ = datasets.utils.logging
    level, had_bars = logging_.get_verbosity(), not datasets.utils.are_progress_bars_disabled()
    logging_.set_verbosity_error()
    datasets.utils.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging_.set_verbosity(level)
        if had_bars:
            datasets.utils.enable_progress_bars()
