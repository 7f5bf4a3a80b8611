"""What the processes of a run must have in common: config, code, versions and data, which differ from node to node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.config.settings import Settings
from fastrun.config.trust import user_files
from fastrun.errors import ConfigError, DataError
from fastrun.redaction import redact


def requested(settings: Settings) -> dict[str, Any]:
    """Return the settings of a run by their dotted keys, without secrets."""

    def flat(node: Any, key: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, Mapping) and node:
            for name, value in node.items():
                yield from flat(value, f"{key}.{name}".lstrip("."))
        else:
            yield key, node

    return dict(flat(redact(asdict(settings)), ""))


def description(settings: Settings) -> dict[str, Any]:
    """Return what all processes of a run must have in common: the versions of packages, and the user's own code."""
    from fastrun.system.versions import versions

    modules = sorted({target.partition(".")[0] for target in _targets(asdict(settings))})
    code = {module: _digest(files) for module in modules if (files := user_files(module))}
    return {"versions": versions(), "code": code}


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def check_same(order: Mapping[str, Any], own: Mapping[str, Any], composed: Settings | None) -> None:
    """Check that this process has the versions, the code and the config of the first one.

    Raises:
        ConfigError: it has others.
    """
    for name, version in order["versions"].items():
        if own["versions"][name] != version:
            raise ConfigError(f"it has {name} {own['versions'][name]}, and the first process {version}")
    for module, digest in order["code"].items():
        if own["code"].get(module) != digest:
            raise ConfigError(f"its {module} is not that of the first process", "copy the code to all nodes")
    theirs, ours = order.get("requested"), requested(composed) if composed else None
    if theirs is None or ours is None:
        return
    for key in dict.fromkeys([*theirs, *ours]):
        if theirs.get(key) != ours.get(key):
            message = f"it has {key}={ours.get(key)}, and the first process {theirs.get(key)}"
            raise ConfigError(message, "start all processes by the same command line, with the same conf/")


def check_data(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Check that this process has the data of the first one, by their fingerprints.

    Raises:
        DataError: it has other data.
    """
    from fastrun.components.data.fingerprint import describe_change

    if change := describe_change(theirs, ours):
        raise DataError(f"it has other data than the first process: {change}", "copy the data to all nodes")
