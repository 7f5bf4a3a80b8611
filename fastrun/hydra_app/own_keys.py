"""Hydra's own keys and groups: what exists, so that a misspelled one is refused, even with a plus."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from hydra.conf import HydraConf
from hydra.core.override_parser.types import Override

from fastrun.errors import ConfigError, nearest

_ALL = "`fastrun train --cfg hydra` shows what there is"


def check(override: Override) -> None:
    """Refuse an override of what is not there.

    Raises:
        ConfigError: it has no key, or one below ``hydra`` that Hydra does not have.
    """
    key = override.key_or_group
    if not key:
        raise ConfigError(f"{override.input_line} is not an override", "write key=value")
    if key.startswith("hydra/"):
        known = {f"hydra/{name}" for default in HydraConf().defaults for name in default}
        if key not in known:
            raise ConfigError(f"no group {key}", nearest(key, known) or _ALL)
    elif key.startswith("hydra."):
        known = set(_keys(HydraConf, "hydra."))
        if not any(key == one or (one.endswith(".*") and key.startswith(one[:-1])) for one in known):
            near = difflib.get_close_matches(key, [one for one in known if not one.endswith("*")], n=1, cutoff=0.8)
            raise ConfigError(f"no key {key}", f"did you mean {near[0]}?" if near else _ALL)


def _keys(kind: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted keys of a dataclass; ``key.*`` where anything may stand below."""
    hints = get_type_hints(kind)
    for entry in fields(kind):
        yield prefix + entry.name
        inner = hints[entry.name]
        yield from _keys(inner, f"{prefix}{entry.name}.") if is_dataclass(inner) else [f"{prefix}{entry.name}.*"]
