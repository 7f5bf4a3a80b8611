"""The candidates of a race: the given run, and runs at points of the space, composed and checked before any starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.run.early import check_early
from fastrun.study.arms import FULL, Arm, Compose, make_arm, shared_of, without_shared
from fastrun.study.factors import Factor
from fastrun.study.race.space import Axis, points

_TRIES = 8  # points that are looked at for each candidate, as some do not compose, and some are the same

Check = Callable[[Settings], None]


class Candidates:
    """Makes candidates of overrides.

    Args:
        compose: composes a command line.
        overrides: the command line of the given run.
        settings: what that composes to.
    """

    def __init__(self, compose: Compose, overrides: Sequence[str], settings: Settings) -> None:
        self.compose, self.settings = compose, settings
        self.overrides = without_shared(list(overrides))
        self._arms: dict[tuple[str, ...], Arm] = {}
        self._shared = shared_of(settings)
        self.given = self._arm(FULL, self.overrides)

    def at(self, changes: Sequence[str]) -> Arm:
        """Return the candidate with some overrides changed; its name says which.

        Raises:
            FastrunError: it cannot be trained here.
        """
        ordered = sorted(changes, key=lambda text: "." in text.partition("=")[0])  # options go before their values
        has_factor = any(map(_is_factor, ordered))
        overrides, names, current = self.overrides, list[str](), self.given
        for text in ordered:
            change = _with_number(text, current)
            key, _, value = change.partition("=")
            if self.settings.choices.get(key) == value:
                continue
            overrides = Factor(key, key, change).remove_from(overrides)
            names.append(change)
            if has_factor and "." not in key:
                current = self._arm(" ".join(names), overrides)
        return self._arm(" ".join(names) or FULL, overrides)

    def _arm(self, name: str, overrides: list[str]) -> Arm:
        if tuple(overrides) not in self._arms:
            arm = make_arm(self.compose, name, overrides, self._shared)
            check_early(arm.settings)
            self._arms[tuple(overrides)] = arm
        return self._arms[tuple(overrides)]

    def check(self, axes: Sequence[Axis]) -> None:
        """Check that every value of a space is one that the given run can be changed to, or another value of it can.

        Raises:
            ConfigError: there is no such group, option or key, or a value is not allowed.
        """
        groups = [change for axis in axes if axis.is_group for change in axis.ends()]
        for axis in axes:
            if axis.is_factor and not isinstance(_number(self.given, axis.key), (int, float)):
                raise ConfigError(f"race.space: {axis.key} of the run is no number", f"write a range: {axis.key}=1..2")
            beside = [text for text in groups if axis.key.startswith(f"{text.partition('=')[0]}.")]
            for change in axis.ends():
                self._check_any([[change], *([text, change] for text in beside)], change)

    def _check_any(self, tries: Sequence[list[str]], change: str) -> None:
        """Check that one of several sets of changes composes, the error of the first of which counts otherwise."""
        first: FastrunError | None = None
        for changes in tries:
            try:
                self.at(changes)
                return
            except FastrunError as error:
                first = first or error
        assert first is not None
        reason = first.message.partition(" does not compose: ")[2] or first.message
        raise ConfigError(f"race.space: {change}: {reason}", first.hint) from first

    def draw(self, axes: Sequence[Axis], count: int, seed: int) -> list[Arm]:
        """Return different candidates, the given run first.

        Args:
            axes: the space.
            count: how many, at most.
            seed: decides which.

        Raises:
            ConfigError: there is no other than the given run.
        """
        found = {self.given.sha256(): self.given}
        tried = 0
        for changes in points(axes, seed, _TRIES * count):
            if len(found) == count or tried == _TRIES * count:
                break
            tried += 1
            try:
                arm = self.at(changes)
            except FastrunError:
                continue
            found.setdefault(arm.sha256(), arm)
        if len(found) == 1:
            raise ConfigError(
                "race.space holds nothing but the run itself", "add values: race.space='[optimizer=adamw,muon]'"
            )
        return list(found.values())


def _with_number(change: str, current: Arm) -> str:
    """Return a change as an override: of a factor such as ``optimizer.lr=2x``, the number that it comes to.

    Raises:
        ConfigError: there is no number that could be multiplied.
    """
    key, _, value = change.partition("=")
    if not _is_factor(change):
        return change
    number = _number(current, key)
    if not isinstance(number, (int, float)):
        raise ConfigError(f"{key} is no number", None)
    return f"{key}={number * float(value[:-1]):.3g}"


def _is_factor(change: str) -> bool:
    value = change.partition("=")[2]
    return value.endswith("x") and value[:1].isdigit()


def _number(arm: Arm, key: str) -> Any:
    node: Any = asdict(arm.settings)
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node
