"""Components: a ``_target_`` and its arguments, found, checked against its signature, and bound.

A component in a config is ``{"_target_": "package.module.name", argument: value, …}``. The neutral option of a group
has ``_target_: null``; it binds to None, and the caller decides what that means.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union

from fastrun import trust
from fastrun.errors import ConfigError, nearest

Bound = functools.partial[Any]

_EXTRAS = {"timm": "vision", "torchvision": "vision", "schedulefree": "optim"}  # what options' targets are in


def locate(target: str, key: str) -> Callable[..., Any]:
    """Import the callable that a dotted path names.

    Raises:
        ConfigError: there is no such module or name, it cannot be called, or it is not to be trusted
            (:mod:`fastrun.trust`); ``key`` says which group asked.
    """
    if not isinstance(target, str) or not all(target.split(".")):
        raise ConfigError(
            f"{key}._target_={target}: no such module", "a module of yours must lie in the folder you start fastrun in"
        )
    trust.check_name(target, key)
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and not f"{module_name}.".startswith(f"{error.name}."):
                message = f"{key}: {module_name} needs the package {error.name}, which is not here"
                raise ConfigError(message, _bringing(error.name) or _line_in_own(error)) from error
            continue
        except (Exception, SystemExit) as error:
            message = f"{key}: {module_name} cannot be imported: {type(error).__name__}: {error}"
            raise ConfigError(message, _line_in_own(error)) from error
        for name in parts[cut:]:
            if not hasattr(found, name):
                raise ConfigError(f"{key}._target_={target}: no {name} there", nearest(name, dir(found)))
            found = getattr(found, name)
            if callable(found) or inspect.ismodule(found):
                trust.check_found(found, target, key)
        if not callable(found):
            raise ConfigError(f"{key}._target_={target} is not a function or a class")
        return typing.cast(Callable[..., Any], found)
    raise ConfigError(
        f"{key}._target_={target}: no such module",
        _bringing(parts[0]) or "a module of yours must lie in the folder you start fastrun in",
    )


def told(function: Callable[..., Any], error: BaseException) -> tuple[str, str | None]:
    """Return what a function of the user's raised, and in which line, for a message and its hint."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    return f"{name} raised {type(error).__name__}: {error}", _line_in_own(error)


def _line_in_own(error: BaseException) -> str | None:
    """Return ``mymod.py, line 3``: the innermost line in the current folder that an error came by."""
    if isinstance(error, SyntaxError) and error.filename:
        places = [(error.filename, error.lineno)]
    else:
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(Path(file), line) for file, line in places if trust.is_own([Path(file)])]
    return f"{own[-1][0].absolute().relative_to(Path.cwd())}, line {own[-1][1]}" if own else None


def _bringing(package: str) -> str | None:
    """Return how to install an optional package, or None for any other."""
    extra = _EXTRAS.get(package)
    return f"pip install 'fastrun[{extra}]'" if extra else None


def bind(key: str, config: Mapping[str, Any]) -> Bound | None:
    """Check a component's arguments and return its target with them bound, or None where ``_target_`` is null.

    Raises:
        ConfigError: the target cannot be found, an argument is unknown to it, or has the wrong type.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"{key}={config} is not a component", f"{key}._target_=mymod.name")
    target = config.get("_target_")
    if target is None:
        return None
    function = locate(target, key)
    arguments = {name: value for name, value in config.items() if name != "_target_"}
    signature = inspect.signature(function)
    hints = _hints(function)
    for name, value in arguments.items():
        if name not in signature.parameters:
            if not _takes_any(signature):
                raise ConfigError(
                    f"{key}.{name} is not an argument of {target}",
                    nearest(name, signature.parameters) or f"it takes {', '.join(signature.parameters)}",
                )
            continue
        default = signature.parameters[name].default
        expected = hints.get(name, type(default) if default not in (inspect.Parameter.empty, None) else Any)
        if not fits(value, expected):
            if typing.get_origin(expected) is typing.Literal:
                words = typing.get_args(expected)
                hint = nearest(str(value), words) or f"choose from {', '.join(map(str, words))}"
                raise ConfigError(f"{key}.{name}={value} is not known", hint)
            raise ConfigError(f"{key}.{name}={value} has the wrong type", f"{target} wants {_show(expected)}")
        arguments[name] = _build_inner(f"{key}.{name}", tuple(value) if isinstance(value, list) else value)
    return functools.partial(function, **arguments)


def _build_inner(key: str, value: Any) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        inner = bind(key, value)
        return inner() if inner else None
    return value


def named(bound: Bound, **offered: Any) -> dict[str, Any]:
    """Return those of the offered arguments that the target's signature names and the config did not set."""
    parameters = inspect.signature(bound.func).parameters
    return {name: value for name, value in offered.items() if name in parameters and name not in bound.keywords}


def missing(key: str, bound: Bound, *given: str) -> None:
    """Raise a ConfigError for the first argument without a default that neither config nor caller gives."""
    for name, parameter in inspect.signature(bound.func).parameters.items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and name not in {*given, *bound.keywords}:
            raise ConfigError(f"{key}.{name} is not set", f"give it a value: +{key}.{name}=…")


def fits(value: Any, expected: Any) -> bool:
    """Say whether a value from a config (scalars, lists, dicts, None) may be passed where ``expected`` is declared.

    Only what a config can get wrong is refused; a type that no config value could have is left to the callee.
    """
    if expected is Any or expected is inspect.Parameter.empty or isinstance(expected, (str, typing.TypeVar)):
        return True
    origin = typing.get_origin(expected)
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in typing.get_args(expected))
    if origin is typing.Literal:
        return value in typing.get_args(expected)
    kind = origin or expected
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (bool, str, type(None)):
        return isinstance(value, kind)
    if kind in (list, tuple) or getattr(kind, "__name__", "") == "Sequence":
        return isinstance(value, (list, tuple)) and _items_fit(value, typing.get_args(expected))
    from_torch = inspect.isclass(kind) and kind.__module__.startswith("torch")
    return not from_torch  # a tensor or a module is never a value in a config


def _items_fit(value: list[Any] | tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if not kinds:
        return True
    if len(kinds) == 1 or kinds[-1] is Ellipsis:
        return all(fits(item, kinds[0]) for item in value)
    return len(value) == len(kinds) and all(map(fits, value, kinds))


def _takes_any(signature: inspect.Signature) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    owner = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(owner)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can resolve: the default's type serves


def _show(expected: Any) -> str:
    if typing.get_origin(expected) in (Union, types.UnionType):
        kinds = [
            _show(part) for part in typing.get_args(expected) if not getattr(part, "__module__", "").startswith("torch")
        ]
        return " or ".join(kinds)
    return expected.__name__ if inspect.isclass(expected) and not typing.get_args(expected) else str(expected)
