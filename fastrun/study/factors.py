"""What a study takes away from a run, one at a time: the options of groups, and values of single keys."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from fastrun.config import registry
from fastrun.config.settings import CLOSED, OPEN, Settings
from fastrun.errors import ConfigError, nearest
from fastrun.study.settings import overrides_of_group

NO_HEURISTICS = ("checkpoint", "logger", "on_divergence", "early_stopping")  # have no part in how fast a run learns
SET_BY_STUDY = (
    "seed", "steps", "epochs", "target", "data", "tokenizer", "name", "outputs", "sweep", "val_every", "log_every",
)  # fmt: skip
_SKIP = "model.skip=false"  # of a residual network: plain_resnet, with the depth and the width of the run
_EXACT = ("pipeline", "speed")  # change how a step is computed, and usually none of its results


@dataclass(frozen=True)
class Factor:
    """Something that a run has and that its arms lack, or the other way around.

    Attributes:
        name: what it is called: a group, or a key with the value that the run has.
        key: the group or key.
        without: the override that takes it away.
    """

    name: str
    key: str
    without: str

    @property
    def group(self) -> str:
        """Return the group that the key is of; the key itself where it is of none."""
        return self.key.partition(".")[0]

    @property
    def may_be_exact(self) -> bool:
        """Say whether it may change no bit of the results, so that only the seconds of a step differ."""
        return self.group in _EXACT

    def is_called(self, names: Container[str]) -> bool:
        """Say whether any of some names is its own: its name, its key, or the override that takes it away."""
        return self.name in names or self.key in names or self.without in names

    def remove_from(self, overrides: Sequence[str]) -> list[str]:
        """Return the overrides of an arm without it, from those of one that has it.

        What was typed for the option that goes is left out, as its values are no values of another option.
        """
        is_whole = self.key == self.group or self.without.startswith("~")
        gone = set(overrides_of_group(overrides, self.key)) if is_whole else _same_key(overrides, self.key)
        rest = [text for text in overrides if text not in gone]
        return rest if gone and self.without.startswith("~") else [*rest, self.without]


def find_factors(settings: Settings, names: Sequence[str] | None) -> list[Factor]:
    """Return the factors of a study.

    Args:
        settings: the run.
        names: groups, and overrides of keys; None for every heuristic of the run.

    Raises:
        ConfigError: one is not known, or takes nothing away, or there are none.
    """
    if names is not None:
        factors = [_named(settings, name) for name in dict.fromkeys(names)]
    else:
        factors = [_of_group(settings, group) for group in heuristics() if _has(settings, group)]
    if not factors:
        hint = "choose a recipe with heuristics, or name values: study.factors=['optimizer.lr=0.1']"
        raise ConfigError("there is nothing to take away: every group is at its neutral option", hint)
    return factors


def heuristics() -> list[str]:
    """Return the groups whose options are heuristics and that have a neutral one, in the order of the config."""
    groups = [name for name in (*OPEN, *CLOSED) if name in registry.groups() and name not in NO_HEURISTICS]
    return [name for name in groups if _neutral(name) is not None]


def _neutral(group: str) -> str | None:
    """Return the option of a group that is marked as the neutral one in the first line of its file."""
    names = [name for name, entry in registry.options(group).items() if entry.description.endswith("(neutral)")]
    return names[0] if names else None


def _has(settings: Settings, group: str) -> bool:
    """Say whether a run has a heuristic of a group: an option other than the neutral one."""
    if group == "model":
        return settings.choices.get("model") == "resnet" and bool(settings.model.get("skip"))
    return settings.choices.get(group) != _neutral(group)


def _of_group(settings: Settings, group: str) -> Factor:
    if group == "model":
        return Factor("model.skip", "model.skip", _SKIP)
    return Factor(group, group, f"{group}={_neutral(group)}")


def _named(settings: Settings, name: str) -> Factor:
    """Return the factor that a user names: a group, or an override.

    Raises:
        ConfigError: it is not known, or takes nothing away.
    """
    key, equals, value = name.lstrip("+~").partition("=")
    group = key.partition(".")[0]
    if group in NO_HEURISTICS:
        hint = "every run of a study is complete; name what changes how a network learns"
        raise ConfigError(f"study.factors: {name} has no part in how fast a run learns", hint)
    if group in SET_BY_STUDY:
        hint = f"leave it out of the list; it may be set for all arms: fastrun ablate … {key}={value or '…'}"
        raise ConfigError(f"study.factors: {key} is the same in every arm", hint)
    if not equals and not name.startswith("~"):
        return _group_named(settings, name)
    now = _current(settings, key)
    if name.startswith("~"):
        return Factor(key, key, name)
    if now == value or ((key in OPEN or key in CLOSED) and settings.choices.get(key) == value):
        raise ConfigError(f"study.factors: the run has {name} already", "name a value that it does not have")
    has = settings.choices.get(key) if key in registry.groups() else now
    return Factor(f"{key}={has}" if has is not None else f"no {key}", key, name)


def _group_named(settings: Settings, group: str) -> Factor:
    known = heuristics()
    if group not in known:
        if group in registry.groups():
            hint = f"name another option: study.factors=[{group}=…]; `fastrun options {group}` lists them"
            raise ConfigError(f"study.factors: {group} has no neutral option", hint)
        hint = nearest(group, known) or f"choose from {', '.join(known)}, or name a value: optimizer.lr=0.1"
        raise ConfigError(f"study.factors: no group {group}", hint)
    if not _has(settings, group):
        present = [name for name in known if _has(settings, name)]
        if group == "model":
            raise ConfigError("study.factors: only model=resnet has a neutral counterpart", "name a value: model=cnn")
        hint = f"the run has {', '.join(present)}" if present else "choose a recipe with heuristics"
        raise ConfigError(f"study.factors: {group}={settings.choices.get(group)} is neutral already", hint)
    return _of_group(settings, group)


def _current(settings: Settings, key: str) -> str | None:
    """Return the value of a key as it is typed, or None where there is none."""
    node: Any = settings
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else getattr(node, part, None)
    if node is None or isinstance(node, dict):
        return None
    return {True: "true", False: "false"}[node] if isinstance(node, bool) else str(node).replace(" ", "")


def _same_key(overrides: Sequence[str], key: str) -> set[str]:
    return {text for text in overrides if text.lstrip("+").partition("=")[0] == key and not text.startswith("~")}
