"""Paths on a command line, which are taken as they are: Hydra's grammar has no ``=``, ``#`` or ``é`` without quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

_KEYS = {"data.root", "data.source", "model.source", "tokenizer.source", "transfer.source", "outputs", "sweep.file"}
_SEVERAL = re.compile(r",|^\w+\(|^[\[{]")  # values, or a list of them, that a sweep tries


def quote_paths(overrides: Iterable[str], *, is_sweep: bool = False) -> list[str]:
    """Return overrides in which the values of keys that are paths are quoted where Hydra would not take them.

    Args:
        overrides: what was typed.
        is_sweep: whether an override may have several values, each of which is left as it is.
    """
    return [_quoted(text) if _is_path(text, is_sweep) else text for text in overrides]


def _is_path(override: str, is_sweep: bool) -> bool:
    key, _, value = override.partition("=")
    return key.lstrip("+") in _KEYS and value != "" and not (is_sweep and _SEVERAL.search(value))


def _quoted(override: str) -> str:
    """Return an override with its value quoted, unless Hydra takes it for one text, or several, already."""
    try:
        parsed = OverridesParser.create().parse_override(override)
        if parsed.is_sweep_override() or not isinstance(parsed.value(), (bool, int, float)):
            return override
    except HydraException:
        pass
    key, _, value = override.partition("=")
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"
