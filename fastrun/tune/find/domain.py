"""The domain of a key of a config: the annotation of its field, or of an argument of its group's target."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from typing import Annotated, Any

from fastrun.config import foreign_domains, instantiate
from fastrun.config.constraints import Factor, Range
from fastrun.config.settings import CLOSED, Settings, domains
from fastrun.config.value_types import hints_of, is_union

_OWN = {"layer_decay": Factor}  # arguments of fastrun's in a group whose target does not have them


def annotation_of(settings: Settings, key: str) -> Any:
    """Return the annotation of a key, with its domain; the type of the default where its target has none."""
    group, _, name = key.partition(".")
    if group in CLOSED:
        return domains()[key]
    if name in _OWN:
        return _OWN[name]
    function = instantiate.locate(getattr(settings, group)["_target_"], group)
    parameter = inspect.signature(function).parameters.get(name)
    default = None if parameter is None or parameter.default is parameter.empty else type(parameter.default)
    hint = hints_of(function).get(name, default if default in (int, float, bool, str) else Any)
    return foreign_domains.domain_of(function.__module__, name, hint)


def range_of(annotation: Any) -> Range | None:
    """Return the range in an annotation; of a list, that of its first item."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        marks = [mark for mark in arguments[1:] if isinstance(mark, Range)]
        return marks[0] if marks else range_of(arguments[0])
    if is_union(annotation):
        return next((found for part in arguments if (found := range_of(part))), None)
    return range_of(arguments[0]) if origin in (list, tuple) and arguments else None


def is_whole(annotation: Any) -> bool:
    """Say whether an annotation is one of whole numbers alone, or of lists of them."""
    if typing.get_origin(annotation) is Annotated:
        return is_whole(typing.get_args(annotation)[0])
    if is_union(annotation):
        kinds = [part for part in typing.get_args(annotation) if part is not type(None)]
        return bool(kinds) and all(map(is_whole, kinds))
    if typing.get_origin(annotation) in (list, tuple, Sequence) and typing.get_args(annotation):
        return is_whole(typing.get_args(annotation)[0])
    return annotation is int
