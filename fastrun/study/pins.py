"""What a run left open and measured or found for itself, pinned so that every other run of its arm has it, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastrun.config.settings import CLOSED, Settings
from fastrun.storage.run_dir import RunDir
from fastrun.study.arms import Arm
from fastrun.study.results import Outcome
from fastrun.study.settings import overrides_of_group

_GROUPS = ("batch", "amp", "pipeline", "speed")
_TYPED = {
    "batch": ("size", "accumulate"),
    "pipeline": ("num_workers",),
    "speed": ("threads", "fused", "channels_last", "compile"),
}


def leaves_open(settings: Settings) -> bool:
    """Say whether a run measures something before it trains, which wants a quiet machine."""
    groups = [settings.batch.kind, settings.amp.kind, settings.pipeline.kind, settings.speed.kind]
    return "auto" in groups or settings.speed.threads is None


def found_by(arm: Arm, outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the groups of an arm's settings that its first run changed, as it changed them."""
    config = RunDir(outcome.path).config()
    return {
        group: dict(config[group])
        for group in _GROUPS
        if isinstance(config.get(group), dict) and CLOSED[group](**config[group]) != getattr(arm.settings, group)
    }


def pinned(arm: Arm, groups: Mapping[str, Mapping[str, Any]]) -> Arm:
    """Return an arm with what was found for it."""
    changed = {group: CLOSED[group](**values) for group, values in groups.items()}
    overrides, added = list(arm.overrides), list(_typed(arm.settings, changed))
    for text in added:
        if "." not in text.partition("=")[0]:  # another option in place of the one that was asked for
            gone = set(overrides_of_group(overrides, text.partition("=")[0])) & {
                one for one in overrides if "." not in one.partition("=")[0]
            }
            overrides = [one for one in overrides if one not in gone]
    return Arm(arm.name, overrides, arm.settings).with_groups(changed, added)


def pins_beside(arm: Arm, full: Arm, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the full run found, of the groups in which another arm asks for the same as the full run."""
    same = (group for group in groups if getattr(arm.settings, group) == getattr(full.settings, group))
    return {group: dict(groups[group]) for group in same}


def _typed(before: Settings, changed: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was found as overrides, such as ``amp=off`` and ``speed.threads=1``."""
    for group, after in changed.items():
        if after.kind != getattr(before, group).kind:
            yield f"{group}={after.kind}"
        for name in _TYPED.get(group, ()):
            value = getattr(after, name)
            if value != getattr(getattr(before, group), name) and value is not None:
                yield f"{group}.{name}={str(value).lower() if isinstance(value, bool) else value}"
