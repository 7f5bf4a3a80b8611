"""Whose code a config may name as a ``_target_``: known packages', the user's own folder's, and what the user trusts.

A recipe, an option or a run directory may be a stranger's, and a ``_target_`` in it is a call. So trust is granted by
the user alone: ``trust=NAME`` on the command line, ``FASTRUN_TRUST`` in the environment (child processes inherit it),
or ``[tool.fastrun] trust = ["NAME"]`` in the ``pyproject.toml`` of the folder that fastrun is started in.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastrun.errors import ConfigError, UsageError
from fastrun.paths import shipped

KNOWN = (
    "torch.nn", "torch.optim", "torchvision.models", "torchvision.ops", "torchvision.transforms",
    "timm.create_model", "timm.models", "timm.layers", "timm.loss", "timm.optim", "schedulefree", "torchmetrics",
    "pytorch_lightning.callbacks", "pytorch_lightning.loggers",
)  # fmt: skip
_UNSAFE = "timm.models._helpers", "timm.models._hub"  # read pickles, or write where they are told
_INSTALLED = {"site-packages", "dist-packages"}  # a virtual environment in the user's folder is not the user's code
_VARIABLE = "FASTRUN_TRUST"


def taken(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line into what is not ``trust=…`` and the names that are trusted.

    Raises:
        UsageError: what is to be trusted is not a package's or a function's dotted name.
    """
    rest = [one for one in arguments if not one.startswith("trust=")]
    given = [one.removeprefix("trust=").strip("[]") for one in arguments if one.startswith("trust=")]
    names = [name.strip() for one in given for name in one.split(",")]
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"trust={name} names no package", "write trust=package, or trust=package.module.name")
    return rest, names


@contextmanager
def granted(names: Iterable[str]) -> Iterator[None]:
    """Trust names for the length of a block, in child processes as well."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = ",".join([before or "", *names]).strip(",")
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before


def trusted() -> set[str]:
    """Return the names that the user trusts.

    Raises:
        ConfigError: the user's pyproject.toml cannot be read, or its ``trust`` is no list of names.
    """
    return {*filter(None, os.environ.get(_VARIABLE, "").split(",")), *_of_project(Path("pyproject.toml"))}


def _of_project(path: Path) -> list[str]:
    try:
        found = tomllib.loads(path.read_text()).get("tool", {}).get("fastrun", {}).get("trust", [])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"{path}: tool.fastrun.trust is no list of names", 'trust = ["package"]')
    return found


def check_all(config: Any, key: str = "") -> None:
    """Check the name of every ``_target_`` in a config, however deep; imports none of them.

    Raises:
        ConfigError: one is nowhere, or not to be trusted.
    """
    inner = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for name, value in inner:
        if name == "_target_" and isinstance(value, str):
            check_name(value, key)
        else:
            check_all(value, f"{key}.{name}".lstrip("."))


def check_name(target: str, key: str) -> None:
    """Check that a ``_target_`` names what is known, the user's own or trusted.

    Raises:
        ConfigError: it does not, or there is no such module; ``key`` says where it stands.
    """
    if _is_allowed(target) or target in _shipped():
        return
    top = target.partition(".")[0]
    if top not in sys.builtin_module_names and top not in sys.modules and not _places(top):
        raise ConfigError(
            f"{key}._target_={target}: no such module", "a module of yours must lie in the folder you start fastrun in"
        )
    if not is_own(_places(top)) or top in sys.stdlib_module_names or top == "fastrun":
        raise _refused(key, target, target)


def check_found(found: Any, target: str, key: str) -> None:
    """Check a module, class or function on the way to a target: where it is defined is what counts.

    Raises:
        ConfigError: it is defined elsewhere than its name says, in a place that is not to be trusted.
    """
    home = _home(found)
    if _within(target, trusted()) or _is_allowed(home) or home in {name.rpartition(".")[0] for name in _shipped()}:
        return
    top = home.partition(".")[0]
    file = getattr(sys.modules.get(home), "__file__", None)
    if top == "fastrun" or not is_own([Path(file)] if file else _places(top)):
        raise _refused(key, target, f"{home}.{getattr(found, '__qualname__', '')}".rstrip("."))


def _refused(key: str, target: str, real: str) -> ConfigError:
    top = real.partition(".")[0]
    name = target if any(f"{known}.".startswith(f"{top}.") for known in (*KNOWN, "fastrun")) else top
    is_it = "is" if real == target else f"is {real}, which is"
    return ConfigError(
        f"{key}._target_={target} {is_it} not among what a config may call", f"if you want it called, add trust={name}"
    )


def _home(found: Any) -> str:
    if inspect.ismodule(found):
        return found.__name__
    while isinstance(found, functools.partial):
        found = found.func
    return str(getattr(found, "__module__", None) or type(found).__module__)


def _is_allowed(name: str) -> bool:
    return _within(name, trusted()) or (_within(name, KNOWN) and not _within(name, _UNSAFE))


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)


@functools.cache
def _shipped() -> frozenset[str]:
    """Return what the shipped options name: of fastrun itself, a config may call nothing else."""
    texts = [path.read_text() for path in shipped("conf").glob("*/*.yaml")]
    return frozenset(name for text in texts for name in re.findall(r"^_target_: (\S+)", text, re.M))


def _places(top: str) -> list[Path]:
    """Return the files or folders of a module or package that is not in another, without importing it."""
    if top in sys.modules:
        file = getattr(sys.modules[top], "__file__", None)
        return [Path(file)] if file else [Path(one) for one in getattr(sys.modules[top], "__path__", ())]
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    inner = [Path(one) for one in spec.submodule_search_locations or ()]
    return [Path(spec.origin)] if spec.has_location and spec.origin else inner


def is_own(places: Sequence[Path]) -> bool:
    """Say whether all of a module lies in the current folder, and none in what is installed there."""
    here = Path.cwd()
    inside = [place.absolute().relative_to(here) for place in places if place.absolute().is_relative_to(here)]
    return bool(places) and len(inside) == len(places) and not any(_INSTALLED & set(one.parts) for one in inside)
