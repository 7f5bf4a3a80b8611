"""What a recipe or an option file may not say, whoever wrote it: that is for the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastrun.errors import ConfigError
from fastrun.redaction import is_secret

_FORBIDDEN = re.compile(r"(^|[\s/@.])hydra([/@.]|$)|(^|/)\.\.(/|$)|\$\{")  # in a key, group, package or option

_REFERENCE = re.compile(r"\$\{(?:\.*([\w.-]+)\})?")  # no name where it is more than that of another key


def check_names(config: Mapping[Any, Any], package: str | None, path: str, kind: str) -> None:
    """Check that a file changes nothing of Hydra (launcher, callbacks, folders, search path) and stays in its folder.

    Args:
        config: what the file holds, as plain data.
        package: where its header places that.
        path: the file, for messages.
        kind: what it is, for messages.

    Raises:
        ConfigError: it does not.
    """
    for name in [str(package), *map(str, config), *_texts(config.get("defaults"))]:
        if _FORBIDDEN.search(name):
            hint = "set Hydra's own keys on the command line: hydra/launcher=…"
            raise ConfigError(f"{path}: {kind} cannot set {name}", hint)


def check_references(node: Any, path: str, kind: str, key: str = "") -> None:
    """Check that a file reads no environment variable and no secret: it could name a server to send them to.

    What OmegaConf calls resolvers can read both, and one can be made of the texts of others, so the file may refer by
    ``${key}`` to other values only.

    Args:
        node: what the file holds, as plain data.
        path: the file, for messages.
        kind: what it is, for messages.
        key: where in the file the data stands.

    Raises:
        ConfigError: it does not.
    """
    if isinstance(node, Mapping):
        for name, value in node.items():
            check_references(value, path, kind, f"{key}.{name}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            check_references(value, path, kind, key)
    elif isinstance(node, str):
        for found in _REFERENCE.finditer(node):
            if not found[1] or is_secret(found[1]) or found[1].partition(".")[0] == "hydra":
                hint = f"it may refer to other keys, as ${{epochs}}; give the rest on the command line: {key}=…"
                raise ConfigError(f"{path}: {kind} cannot set {key}={node}", hint)


def _texts(defaults: Any) -> Iterator[str]:
    """Yield every group, package and option in a defaults list."""
    if isinstance(defaults, Mapping):
        for key, value in defaults.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(defaults, list):
        for entry in defaults:
            yield from _texts(entry)
    else:
        yield str(defaults)
