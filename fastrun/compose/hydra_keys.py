"""Hydra's own keys and groups, so that a misspelled one is refused, even with a plus."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from hydra.conf import HydraConf
from hydra.core.override_parser.types import Override

from fastrun.errors import ConfigError, nearest

_ALL = "`fastrun train --cfg hydra` lists Hydra's keys"


def check(override: Override) -> None:
    """Check that an override has a key, and that the key exists if it is one of Hydra's.

    Raises:
        ConfigError: it has no key, or a key below ``hydra`` that does not exist.
    """
    key = override.key_or_group
    if not key:
        raise ConfigError(f"{override.input_line} is not an override", "write key=value")
    if key.startswith("hydra/"):
        known = {f"hydra/{name}" for default in HydraConf().defaults for name in default}
        if key not in known:
            raise ConfigError(f"no group {key}", nearest(key, known) or _ALL)
    elif key.startswith("hydra."):
        _check_key(key, set(_keys(HydraConf, "hydra.")))


def _check_key(key: str, known: set[str]) -> None:
    """Check that a key is a known one, or below one that ends in ``.*``."""
    if key in known or any(name.endswith(".*") and key.startswith(name[:-1]) for name in known):
        return
    close = difflib.get_close_matches(key, [name for name in known if not name.endswith("*")], n=1, cutoff=0.8)
    raise ConfigError(f"no key {key}", f"did you mean {close[0]}?" if close else _ALL)


def _keys(kind: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted keys of a dataclass, and ``key.*`` where a key may have others below it."""
    hints = get_type_hints(kind)
    for entry in fields(kind):
        yield prefix + entry.name
        inner = hints[entry.name]
        yield from _keys(inner, f"{prefix}{entry.name}.") if is_dataclass(inner) else [f"{prefix}{entry.name}.*"]
