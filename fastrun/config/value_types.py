"""Whether a value from a config may be passed to a parameter with an annotation."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Union


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function's or a class's parameters, with what ``Annotated`` adds to them."""
    owner = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can resolve: the type of the default is used instead


def is_union(expected: Any) -> bool:
    """Say whether an annotation is ``A | B``."""
    return typing.get_origin(expected) in (Union, types.UnionType)


def fits(value: Any, expected: Any) -> bool:
    """Say whether a value from a config may be passed to a parameter with an annotation.

    Only what a config can get wrong is refused; a type that no value of a config can have is left to the target.

    Args:
        value: a scalar, list, dict or None.
        expected: the annotation.
    """
    if expected is Any or expected is inspect.Parameter.empty or isinstance(expected, (str, typing.TypeVar)):
        return True
    origin = typing.get_origin(expected)
    if origin is Annotated:
        return fits(value, typing.get_args(expected)[0])
    if is_union(expected):
        return any(fits(value, part) for part in typing.get_args(expected))
    if origin is typing.Literal:
        return value in typing.get_args(expected)
    return _is_of_type(value, origin or expected, typing.get_args(expected))


def item_types(expected: Any, count: int) -> tuple[Any, ...]:
    """Return the annotations of a list's items; none where the annotation is of no list of that length."""
    kinds = typing.get_args(expected)
    if not _is_list(typing.get_origin(expected)) or not kinds:
        return ()
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        return (kinds[0],) * count
    return kinds if len(kinds) == count else ()


def format_type(expected: Any) -> str:
    """Return an annotation for a message, without the types that no config can have."""
    if typing.get_origin(expected) is Annotated:
        return format_type(typing.get_args(expected)[0])
    if is_union(expected):
        parts = [part for part in typing.get_args(expected) if not getattr(part, "__module__", "").startswith("torch")]
        return " or ".join(map(format_type, parts))
    if expected is type(None):
        return "null"
    if inspect.isclass(expected) and not typing.get_args(expected):
        return expected.__name__
    if _is_list(typing.get_origin(expected)):
        items = ["…" if part is Ellipsis else format_type(part) for part in typing.get_args(expected)]
        return f"[{', '.join(items)}]"
    return str(expected)


def _is_list(kind: Any) -> bool:
    return kind in (list, tuple) or getattr(kind, "__name__", "") == "Sequence"


def _is_of_type(value: Any, kind: Any, items: tuple[Any, ...]) -> bool:
    """Say whether a value has a type, whose items have the types ``items``; a bool is no number."""
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (bool, str, type(None)):
        return isinstance(value, kind)
    if _is_list(kind):
        return isinstance(value, (list, tuple)) and _items_fit(value, items)
    is_from_torch = inspect.isclass(kind) and kind.__module__.startswith("torch")
    return not is_from_torch  # a tensor or a module is never a value in a config


def _items_fit(value: list[Any] | tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if not kinds:
        return True
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        return all(fits(item, kinds[0]) for item in value)
    return len(value) == len(kinds) and all(map(fits, value, kinds))
