"""The signature of a component's target, read from its source text without importing the module.

Most modules of components import torch, which takes seconds. Reading their text takes milliseconds, so that a wrong
value can be refused at once. Where the text does not say what the signature is, such as for a function that a decorator
changes, there is no answer, and the check is made once the module is imported.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastrun.config.value_types import hints_of

_LIGHT = ("builtins", "collections", "dataclasses", "enum", "fastrun.config", "fastrun.errors", "numbers", "typing")
_DEPTH = 8  # imports that are followed from the module of a target to its definition
_KINDS = inspect.Parameter


@dataclass(frozen=True)
class TargetSignature:
    """The signature of a target.

    Attributes:
        parameters: the parameters by name.
        hints: the annotations of those that have one.
        module: the module that defines the target.
    """

    parameters: dict[str, inspect.Parameter]
    hints: dict[str, Any]
    module: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> TargetSignature:
        """Return the signature of a function or class that is imported."""
        module = str(getattr(function, "__module__", ""))
        return cls(dict(inspect.signature(function).parameters), hints_of(function), module)

    @property
    def takes_any(self) -> bool:
        """Say whether the target takes arguments of any name."""
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in self.parameters.values())


def read_signature(target: str) -> TargetSignature | None:
    """Read the signature of a function or class from its source.

    Args:
        target: the dotted path.

    Returns:
        The signature; None if the source does not say.
    """
    module, _, name = target.rpartition(".")
    try:
        found = _find(module, name)
        return _signature(*found) if found is not None else None
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _signature(module: str, node: ast.stmt) -> TargetSignature | None:
    """Return the signature of a definition in a module; None if a decorator or a base class decides on it."""
    is_class = isinstance(node, ast.ClassDef)
    function = _constructor(node) if isinstance(node, ast.ClassDef) else node
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return None
    names = _Names(module)
    parameters = list(_parameters(function.args, names))[is_class:]
    hints = {name: hint for name, (_, hint) in parameters if hint is not inspect.Parameter.empty}
    return TargetSignature({name: parameter for name, (parameter, _) in parameters}, hints, module)


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    if node.decorator_list or any(keyword.arg == "metaclass" for keyword in node.keywords):
        return None
    methods = {entry.name: entry for entry in node.body if isinstance(entry, ast.FunctionDef)}
    return None if "__new__" in methods else methods.get("__init__")


def _parameters(arguments: ast.arguments, names: _Names) -> Iterator[tuple[str, tuple[inspect.Parameter, Any]]]:
    """Yield the name of each parameter, with the parameter and its annotation."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    rows: list[tuple[ast.arg, Any, ast.expr | None]] = [
        (argument, _KINDS.POSITIONAL_ONLY if argument in arguments.posonlyargs else _KINDS.POSITIONAL_OR_KEYWORD, value)
        for argument, value in zip(positional, defaults, strict=True)
    ]
    if arguments.vararg:
        rows.append((arguments.vararg, _KINDS.VAR_POSITIONAL, None))
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        rows.append((argument, _KINDS.KEYWORD_ONLY, value))
    if arguments.kwarg:
        rows.append((arguments.kwarg, _KINDS.VAR_KEYWORD, None))
    for argument, kind, value in rows:
        default = inspect.Parameter.empty if value is None else _literal(value)
        hint = inspect.Parameter.empty if argument.annotation is None else names.evaluate(argument.annotation)
        yield argument.arg, (inspect.Parameter(argument.arg, kind, default=default), hint)


def _literal(value: ast.expr) -> Any:
    """Return a default that is written as a plain value; None, which says nothing about types, for any other."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


class _StubType(type):
    """The type of what stands for a class that is not imported; a module that is not has such classes as attributes."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stub(cls.__module__, name)

    def __getitem__(cls, _: Any) -> Any:
        return cls


class _OwnStubType(_StubType):
    """The same for a class of fastrun's own, whose attributes, such as the members of an enumeration, mean nothing."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)


def _stub(module: str, name: str, kind: type[_StubType] = _StubType) -> Any:
    return kind(name, (), {"__module__": module})


class _Names(dict[str, Any]):
    """The names that annotations in a module may use; those of heavy modules stand for classes that no value has."""

    def __init__(self, module: str, depth: int = 0) -> None:
        super().__init__(vars(builtins))
        self._module, self._depth = module, depth

    def evaluate(self, expression: ast.expr) -> Any:
        """Return the annotation that an expression stands for; Any if that is not known."""
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            expression = ast.parse(expression.value, mode="eval").body
        code = compile(ast.fix_missing_locations(ast.Expression(expression)), self._module, "eval")
        try:
            return eval(code, {"__builtins__": {}}, self)
        except Exception:  # what an annotation may need is not limited, and the check can be made later
            return Any

    def __missing__(self, name: str) -> Any:
        self[name] = value = self._look_up(name)
        return value

    def _look_up(self, name: str) -> Any:
        for node in _statements(self._module):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if (alias.asname or alias.name.partition(".")[0]) == name:
                        return _module_or_stub(alias.name if alias.asname else name)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return self._imported(_origin(self._module, node), alias.name)
            elif isinstance(node, ast.Assign) and any(
                isinstance(one, ast.Name) and one.id == name for one in node.targets
            ):
                return self.evaluate(node.value)
            elif isinstance(node, ast.ClassDef) and node.name == name:
                return _stub(self._module, name, _OwnStubType)
        raise NameError(name)

    def _imported(self, module: str, name: str) -> Any:
        if module.startswith(_LIGHT):
            return getattr(importlib.import_module(module), name)
        if module.partition(".")[0] == "fastrun" and self._depth < _DEPTH:
            return _Names(module, self._depth + 1)[name]
        if module != "torch" and not isinstance((_find(module, name) or ("", None))[1], ast.ClassDef):
            return Any  # an alias, or a module
        return _stub(module, name)


def _module_or_stub(name: str) -> Any:
    return importlib.import_module(name) if name.startswith(_LIGHT) else _stub(name, name)


def _find(module: str, name: str, depth: int = 0) -> tuple[str, ast.stmt] | None:
    """Return the definition of a function or class, and the module that it stands in; None if there is none."""
    if depth > _DEPTH:
        return None
    for node in reversed(_statements(module)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == name:
                    origin = _origin(module, node)
                    found = _find(origin, name if alias.name == "*" else alias.name, depth + 1)
                    if found is not None or alias.name != "*":
                        return found
    return None


def _origin(module: str, node: ast.ImportFrom) -> str:
    """Return the name of the module that a statement in another one imports from."""
    if not node.level:
        return str(node.module)
    package = module if _is_package(module) else module.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def _is_package(module: str) -> bool:
    path = _file(module)
    return path is not None and path.name == "__init__.py"


@functools.cache
def _statements(module: str) -> list[ast.stmt]:
    """Return the top-level statements of a module, without running it; none of one that has no source."""
    path = _file(module)
    return ast.parse(path.read_text(encoding="utf-8")).body if path is not None else []


@functools.cache
def _file(module: str) -> Path | None:
    """Return the source file of a module. Only the top-level package is searched for, which imports nothing."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.submodule_search_locations is None:
        return None
    for folder in spec.submodule_search_locations:
        path = Path(folder).joinpath(*rest)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None
