"""Values that the chosen option of their group does not use, so that nothing a user asks for is dropped in silence."""

from __future__ import annotations

from fastrun.config import registry
from fastrun.config.objects import is_object
from fastrun.config.settings import CLOSED, OPEN, Settings
from fastrun.errors import ConfigError


def refusal(settings: Settings, key: str, value: str) -> ConfigError | None:
    """Return the error for a value that a user gives and the run would not use.

    An option of a closed group uses the keys in its file in ``conf/``; a component without a target uses none.

    Args:
        settings: the settings of the run.
        key: the dotted key.
        value: the value as it was typed.

    Returns:
        The error, or None if the value is used, or is null.
    """
    group, _, name = key.partition(".")
    if not name or value == "null" or name in ("kind", "_target_"):
        return None
    if group in OPEN:
        choice = settings.choices.get(group)
        return _error(key, value, f"{group}={choice}", group) if _has_no_target(settings, group) else None
    kind = getattr(getattr(settings, group, None), "kind", None)
    if group not in CLOSED or kind is None:
        return _unless_switched_on(settings, key, value)
    used = registry.shipped_option(group, kind).content()
    return _unless_switched_on(settings, key, value) if name in used else _error(key, value, f"{group}={kind}", group)


def _has_no_target(settings: Settings, group: str) -> bool:
    component = getattr(settings, group)
    return "_target_" in component and component["_target_"] is None and not is_object(component)


def _error(key: str, value: str, choice: str, group: str) -> ConfigError:
    name = key.partition(".")[2].partition(".")[0]
    using = [option for option in registry.options(group) if name in registry.options(group)[option].content()]
    hint = " or ".join(f"{group}={option}" for option in using[:3])
    return ConfigError(f"{key}={value}: {choice} does not use it", f"choose {hint}" if hint else "leave it out")


_SWITCHES = {  # a key: another one that turns it on, the values that do not, and one that does
    "batch.base_size": ("batch.lr_scaling", ("none",), "linear"),
    "speed.compile_mode": ("speed.compile", (False, None), "true"),
    "sweep.seed": ("sweep.random", (None,), "20"),
}


def _unless_switched_on(settings: Settings, key: str, value: str) -> ConfigError | None:
    if key not in _SWITCHES:
        return None
    switch, off, on = _SWITCHES[key]
    group, _, name = switch.partition(".")
    current = getattr(getattr(settings, group), name)
    if current not in off:
        return None
    text = {None: "null", False: "false"}.get(current, current)
    return ConfigError(f"{key}={value}: {switch}={text} does not use it", f"choose {switch}={on}")
