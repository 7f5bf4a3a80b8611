"""Folders of networks, tokenizers and data sets: those on this machine, and those of the hub of Hugging Face by name.

A name of the hub is brought into the hub's own cache as a whole, and all else then reads that folder. So one place
decides whether the network is used, and without a network the answer comes at once.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrun.errors import ConfigError

INSTALL_HUB = "pip install 'fastrun[hub]'"
_TIMEOUT = 5.0  # seconds to wait for the hub before a download, which itself retries for much longer
_COMMIT = 40  # hex digits
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_FILES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".safetensors", ".bin")


@dataclass(frozen=True)
class Folder:
    """A folder or a file on this machine.

    Attributes:
        path: where it is.
        revision: the commit that it was brought from; None for what is not of the hub.
    """

    path: Path
    revision: str | None = None


def find_folder(key: str, source: str, revision: str | None, patterns: Sequence[str], kind: str = "model") -> Folder:
    """Return the folder or file that a path names, else that of a name of the hub, which is downloaded if need be.

    Args:
        key: the dotted key that has the source, for messages.
        source: a path, or a name of the hub such as ``owner/name``.
        revision: a branch, tag or commit of the hub; None for the newest.
        patterns: the names of the files that are needed; no other file of the hub is downloaded.
        kind: ``model`` or ``dataset``, the two kinds of names.

    Raises:
        ConfigError: there is neither such a path nor such a name, or the name is not in the cache and the hub cannot be
            reached.
    """
    path = find_path(key, source)
    if path is not None:
        if revision is not None:
            raise ConfigError(f"{key}={source} is a path, which has no revision", "leave the revision out")
        return Folder(path)
    hub = import_hub(key)
    is_offline = not is_reachable()
    try:
        with _quiet():
            found = hub.snapshot_download(
                source, repo_type=kind, revision=revision, allow_patterns=list(patterns), local_files_only=is_offline
            )
    except Exception as error:  # the hub's library has an error of its own for each way in which this may fail
        raise _unavailable(key, source, revision, error, is_offline) from error
    folder = Path(found)
    return Folder(folder, folder.name if len(folder.name) == _COMMIT else revision)


def find_path(key: str, source: str) -> Path | None:
    """Return the path that a source names; None for what is no path, but may be a name of the hub.

    Args:
        key: the dotted key that has the source, for messages.
        source: a path, or a name of the hub such as ``owner/name``.

    Raises:
        ConfigError: it is neither.
    """
    with suppress(OSError, RuntimeError):  # a name that is too long, a folder that may not be searched, ~nobody
        if (path := Path(source).expanduser()).exists():
            return path
    if not _is_name(source):
        raise ConfigError(f"{key}={source}: no such file or folder", "a name of the hub is owner/name")
    return None


def _is_name(source: str) -> bool:
    return bool(_NAME.fullmatch(source)) and not source.endswith(_FILES)


def import_hub(key: str) -> Any:
    """Return the library of the hub.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError(f"{key} needs the package huggingface_hub, which is not installed", INSTALL_HUB) from error
    return huggingface_hub


@functools.cache
def is_reachable() -> bool:
    """Say whether the hub answers; asked once by each process, and at once no where ``HF_HUB_OFFLINE`` is set."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT):
            return True
    except urllib.error.HTTPError:
        return True  # it answered
    except (OSError, ValueError):
        return False


def _unavailable(key: str, source: str, revision: str | None, error: Exception, is_offline: bool) -> ConfigError:
    name = source if revision is None else f"{source} at {revision}"
    if is_offline:
        message = f"{key}={name} is no path here and not in the cache, and the hub cannot be reached"
        return ConfigError(message, "download it where there is a network, and give the path of its folder")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return ConfigError(f"{key}={name} cannot be had from the hub: {reason}", "check the name and the revision")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the hub's progress bars and its warnings about each attempt off the screen."""
    bars = importlib.import_module("huggingface_hub.utils")
    logger = logging.getLogger("huggingface_hub")
    level, were_disabled = logger.level, bars.are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    bars.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not were_disabled:
            bars.enable_progress_bars()
