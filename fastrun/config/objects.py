"""Parts of a run that are Python objects: how its config describes them, so that none is taken for an option.

A component that is an object has no target: ``{"_target_": null, "object": "mymod.Net"}``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError

OBJECT = "object"
"""The key of a component that holds the class of the object."""


def class_name(thing: object) -> str:
    """Return the dotted name of the class of an object."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def is_object(component: Mapping[str, Any]) -> bool:
    """Say whether a component describes an object."""
    return isinstance(component, Mapping) and component.get("_target_") is None and bool(component.get(OBJECT))


def name_of(component: Mapping[str, Any]) -> str:
    """Return the target of a component, or the class of the object that it describes."""
    return str(component[OBJECT] if is_object(component) else component["_target_"])


def check_present(settings: Settings, given: Collection[str] = ()) -> None:
    """Check that the objects that a config describes are there.

    Args:
        settings: the settings of a run.
        given: those of ``model``, ``data`` and ``callbacks`` that are there.

    Raises:
        ConfigError: one is missing.
    """
    missing = {key: component for key, component in _objects(settings) if key.partition(".")[0] not in given}
    if missing:
        raise _missing(missing)


def check_no_object(key: str, component: Mapping[str, Any]) -> None:
    """Check that a component is no object.

    Args:
        key: the dotted key of the component.
        component: the component.

    Raises:
        ConfigError: it is one.
    """
    if is_object(component):
        raise _missing({key: component})


def _objects(settings: Settings) -> Iterator[tuple[str, Mapping[str, Any]]]:
    components = {"model": settings.model, "data": settings.data}
    components |= {f"callbacks.{name}": component for name, component in settings.callbacks.items()}
    return ((key, component) for key, component in components.items() if is_object(component))


def _missing(components: Mapping[str, Mapping[str, Any]]) -> ConfigError:
    named = " and ".join(f"{key} ({name_of(component)})" for key, component in components.items())
    what = "is a Python object" if len(components) == 1 else "are Python objects"
    arguments = ", ".join(f"{key}=…" for key in dict.fromkeys(key.partition(".")[0] for key in components))
    load = " or fastrun.load(RUN, model=…)" if "model" in components else ""
    return ConfigError(f"{named} {what}, which only Python can give", f"fastrun.resume(RUN, {arguments}){load}")
