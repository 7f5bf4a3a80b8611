"""Checks of the data of a run that need neither torch nor the data itself: files, folders, names of columns."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastrun.components.data import frame, listing
from fastrun.components.data.packed import manifest
from fastrun.components.data.text_file import SOURCE_HINT, TEXT_HINT, check_is_file, empty_error
from fastrun.config import registry
from fastrun.errors import ConfigError, DataError

_NEED_ROOT = {
    "image_folder": listing.LAYOUT,
    "stream": manifest.PACK_HINT,
    "table": frame.ROOT_HINT,
    "text": TEXT_HINT,
}


def check_early(config: Mapping[str, Any]) -> None:
    """Check where a data set of fastrun's own is to be read from.

    Args:
        config: the group ``data``, whose arguments have the right types.

    Raises:
        ConfigError: ``data.root`` or ``data.source`` is not set, without a default, or a column is not in the table.
        DataError: there is no such file or folder, or it is empty or of another layout.
    """
    name, root = str(config.get("_target_")), config.get("root")
    code = registry.target_of("data", name)
    if code is None:
        return
    if name == "hf":
        _check_source(config.get("source"))
    if root is None:
        if name in _NEED_ROOT:
            raise ConfigError("data.root is not set", _NEED_ROOT[name])
        return
    path = Path(root).expanduser()
    try:
        if name == "table":
            _check_table(path, config)
        elif name == "text":
            _check_text(path, root)
        elif name == "stream":
            _check_pack(root)
        elif name == "image_folder":
            listing.check_layout(path)
        else:  # a published set, whose module says which files it has
            module = importlib.import_module(code.rpartition(".")[0])
            getattr(module, name.upper()).check_root(path)
    except OSError as error:
        raise DataError(f"the data cannot be read: {error}", "check data.root") from error


def _check_source(source: str | None) -> None:
    if not source:
        raise ConfigError("data.source is not set", SOURCE_HINT)
    from fastrun.components.hub import find_path  # imports urllib, for which few runs have use

    find_path("data.source", source)


def _check_pack(root: str) -> None:
    if not manifest.is_address(root):
        folder = manifest.folder_of(root)
        manifest.check_sizes(folder, manifest.read_manifest(folder))


def _check_table(path: Path, config: Mapping[str, Any]) -> None:
    names = frame.column_names(path)
    if names and not any("\ufffd" in name for name in names):  # otherwise reading the whole table says what is wrong
        check = config.get("target"), config.get("drop") or (), config.get("categories") or ()
        frame.check_columns(names, *check)


def _check_text(path: Path, root: str) -> None:
    check_is_file(path, TEXT_HINT)
    if not path.stat().st_size:
        raise empty_error(root)
