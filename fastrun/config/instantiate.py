"""Components of a config: a ``_target_`` and its arguments, checked against the target's signature and bound to it.

A component is ``{"_target_": "package.module.name", argument: value, …}``. An option whose code is part of fastrun has
its own name as the target: ``{"_target_": "muon", …}``. The neutral option of a group has ``_target_: null``; it binds
to None, and the caller decides what that means.
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
from typing import Any

from fastrun.config import constraints, foreign_domains, objects, registry, trust
from fastrun.config.static_signature import TargetSignature, read_signature
from fastrun.config.value_types import fits, format_type
from fastrun.errors import ConfigError, nearest

Bound = functools.partial[Any]

_EXTRAS = {"timm": "vision", "torchvision": "vision", "schedulefree": "optim"}  # package: the extra that installs it
_EXTRAS |= dict.fromkeys(("transformers", "datasets", "tokenizers", "peft"), "hub")


def locate(target: str, key: str) -> Callable[..., Any]:
    """Import the function or class that a dotted path names.

    Args:
        target: the dotted path, or the name of one of fastrun's own options.
        key: the dotted key of the component, for messages.

    Raises:
        ConfigError: there is no such module or name, it cannot be called, or :mod:`fastrun.config.trust` does not allow
            a config to call it.
    """
    if not isinstance(target, str) or not all(target.split(".")):
        raise _no_module(target, key)
    trust.check_name(target, key)
    parts = (registry.target_of(key, target) or target).split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = _import(".".join(parts[:end]), key)
        if module is not None:
            return _look_up(module, parts, end, target, key)
    raise _no_module(target, key)


def _no_module(target: Any, key: str) -> ConfigError:
    hint = _install_hint(str(target).partition(".")[0]) or trust.OWN_MODULE_HINT
    return ConfigError(f"{key}._target_={target}: no such module", hint)


def _import(name: str, key: str) -> types.ModuleType | None:
    """Import a module.

    Returns:
        The module; None if there is none of that name.

    Raises:
        ConfigError: the module exists and cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not error.name or f"{name}.".startswith(f"{error.name}."):
            return None
        message = f"{key}: {name} needs the package {error.name}, which is not installed"
        raise ConfigError(message, _install_hint(error.name) or _line_in_user_code(error)) from error
    except (Exception, SystemExit) as error:  # a module may do anything when it is imported
        message = f"{key}: {name} cannot be imported: {type(error).__name__}: {error}"
        raise ConfigError(message, _line_in_user_code(error)) from error


def _look_up(module: types.ModuleType, parts: list[str], end: int, target: str, key: str) -> Callable[..., Any]:
    """Follow the names of a dotted path from a module on, and check each module, class and function on the way.

    Args:
        module: the module that ``parts[:end]`` names.
        parts: the names of the path.
        end: how many of them name the module.
        target: the path as the config has it, for messages.
        key: the dotted key of the component, for messages.

    Raises:
        ConfigError: there is no such name, it cannot be called, or a config may not call it.
    """
    current: Any = module
    for name in parts[end:]:
        if not hasattr(current, name):
            message = f"{key}._target_={target}: {'.'.join(parts[:end])} has no {name}"
            raise ConfigError(message, nearest(name, dir(current)))
        current = getattr(current, name)
        end += 1
        if callable(current) or inspect.ismodule(current):
            trust.check_object(current, ".".join(parts), key)
    if not callable(current):
        raise ConfigError(f"{key}._target_={target} is not a function or a class")
    return typing.cast(Callable[..., Any], current)


def describe_error(function: Callable[..., Any], error: BaseException, did: str = "raised") -> tuple[str, str | None]:
    """Describe what a function of the user's, or what it returned, raised.

    Args:
        function: the function.
        error: what was raised.
        did: what the function has to do with that, in words.

    Returns:
        The message, and a hint with the line in the user's code; None instead of that if there is no such line.
    """
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    return f"{name} {did} {type(error).__name__}: {error}", _line_in_user_code(error)


def _line_in_user_code(error: BaseException) -> str | None:
    """Return ``mymod.py, line 3``: the innermost line of an error's traceback that is in the user's code."""
    if isinstance(error, SyntaxError) and error.filename:
        lines = [(error.filename, error.lineno)]
    else:
        lines = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    for file, line in reversed(lines):
        if trust.is_user_code([Path(file)]):
            return f"{Path(file).absolute().relative_to(Path.cwd())}, line {line}"
    return None


def _install_hint(package: str) -> str | None:
    """Return how to install an optional package of fastrun's, or None for any other package."""
    if package == "lightning":
        return "import pytorch_lightning as pl: the same classes, in the package that fastrun uses"
    extra = _EXTRAS.get(package)
    return f"pip install 'fastrun[{extra}]'" if extra else None


def bind(key: str, config: Mapping[str, Any]) -> Bound | None:
    """Bind a component's arguments to its target, after checking them against the target's signature.

    Args:
        key: the dotted key of the component, for messages.
        config: the component.

    Returns:
        The target with its arguments; None where ``_target_`` is null.

    Raises:
        ConfigError: the target cannot be found, an argument is unknown to it, has the wrong type, or is not in its
            domain.
    """
    target = _target_of(key, config)
    if target is None:
        return None
    function = locate(target, key)
    signature = TargetSignature.of(function)
    arguments = {name: value for name, value in config.items() if name != "_target_"}
    _check_arguments(key, arguments, target, signature)
    for name in arguments.keys() & signature.parameters.keys():
        arguments[name] = _build_nested(f"{key}.{name}", arguments[name])
    return functools.partial(function, **arguments)


def check_early(key: str, config: Mapping[str, Any], *others: str) -> None:
    """Check a component as :func:`bind` does, as far as that is possible without importing its target.

    Only the targets of shipped options and harmless ones are looked at; others may do anything when they are imported.

    Args:
        key: the dotted key of the component, for messages.
        config: the component.
        *others: keys of the component that are not arguments of its target.

    Raises:
        ConfigError: an argument is unknown to the target, has the wrong type, or is not in its domain.
    """
    target = _target_of(key, config)
    path = registry.target_of(key, target) if isinstance(target, str) else None
    signature = read_signature(path or target) if path or target in trust.HARMLESS else None
    if signature is not None:
        arguments = {name: value for name, value in config.items() if name not in ("_target_", *others)}
        _check_arguments(key, arguments, target, signature)


def _target_of(key: str, config: Mapping[str, Any]) -> Any:
    if not isinstance(config, Mapping):
        raise ConfigError(f"{key}={config} is not a component", f"write {key}._target_=mymod.name")
    objects.check_no_object(key, config)
    return config.get("_target_")


def _check_arguments(key: str, arguments: Mapping[str, Any], target: str, signature: TargetSignature) -> None:
    """Check that a target takes each argument, and its type and domain."""
    for name, value in arguments.items():
        if name in signature.parameters:
            _check_value(f"{key}.{name}", value, _expected_type(signature, name), signature.module, target)
        elif not signature.takes_any:
            hint = nearest(name, signature.parameters) or f"it takes {', '.join(signature.parameters)}"
            raise ConfigError(f"{key}.{name} is not an argument of {target}", hint)
        else:
            constraints.check(f"{key}.{name}", value)


def _expected_type(signature: TargetSignature, name: str) -> Any:
    """Return the annotation of a parameter, else the type of its default."""
    if name in signature.hints:
        return signature.hints[name]
    default = signature.parameters[name].default
    return Any if default in (inspect.Parameter.empty, None) else type(default)


def _check_value(key: str, value: Any, expected: Any, module: str, target: str) -> None:
    """Check the type of an argument, and its domain: as the target declares it, or for targets of other packages."""
    if fits(value, expected):
        constraints.check(key, value, foreign_domains.domain_of(module, key.rpartition(".")[2], expected))
        return
    if typing.get_origin(expected) is typing.Literal:
        words = typing.get_args(expected)
        hint = nearest(str(value), words) or f"choose from {', '.join(map(str, words))}"
        raise ConfigError(f"{key}={value} is not known", hint)
    raise ConfigError(f"{key}={value} has the wrong type", f"{target} expects {format_type(expected)}")


def _build_nested(key: str, value: Any) -> Any:
    """Return an argument as its target gets it: a nested component is built, and a list becomes a tuple."""
    if isinstance(value, Mapping) and "_target_" in value:
        bound = bind(key, value)
        return bound() if bound else None
    return tuple(value) if isinstance(value, list) else value


def accepted(bound: Bound, **offered: Any) -> dict[str, Any]:
    """Return the offered arguments that the target's signature has and the config does not set.

    Args:
        bound: the component.
        **offered: what the caller could pass, by name.
    """
    parameters = inspect.signature(bound.func).parameters
    return {name: value for name, value in offered.items() if name in parameters and name not in bound.keywords}


def check_complete(key: str, bound: Bound, *given: str) -> None:
    """Check that every argument without a default is given by the config or by the caller.

    Args:
        key: the dotted key of the component, for messages.
        bound: the component.
        *given: the names of the arguments that the caller passes.

    Raises:
        ConfigError: an argument is not given; the error is about the first such argument.
    """
    for name, parameter in inspect.signature(bound.func).parameters.items():
        is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not is_variadic and name not in {*given, *bound.keywords}:
            raise ConfigError(f"{key}.{name} is not set", f"give it a value: +{key}.{name}=…")
