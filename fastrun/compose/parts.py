"""Composing many command lines that choose among few options: Hydra composes each option once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fastrun.compose.choices import note_choices
from fastrun.compose.composer import compose, compose_config
from fastrun.compose.error_translation import translate_errors
from fastrun.compose.path_values import quote_paths
from fastrun.compose.replaced_target import leave_out_arguments
from fastrun.compose.typed import typed
from fastrun.compose.user_folders import note_unused_files
from fastrun.config import registry
from fastrun.config.settings import CLOSED, OPEN, Settings
from fastrun.errors import FastrunError

_GROUPS = (*OPEN, *CLOSED)
_ERRORS = FastrunError, HydraException, OmegaConfBaseException, OSError, ValueError

Choices = dict[str, str]  # the option of each group that a command line names


class PartComposer:
    """Composes command lines as :func:`fastrun.compose.compose` does, in a tenth of the time where they share options.

    Hydra takes a fifth of a second for a command line. The part of a config that belongs to a group follows from the
    option of the group and from the recipes alone, so it is kept, and put together with the parts of other groups.
    Values are set last, as Hydra does. Whatever may be different is composed by Hydra: recipes that are not those of
    the other lines, options whose files choose options themselves or write into other groups, and keys that are added
    or taken away.
    """

    def __init__(self) -> None:
        self._frames: dict[tuple[str, ...], _Frame] = {}
        self._is_simple: dict[tuple[str, str], bool] = {}

    def __call__(self, overrides: list[str]) -> Settings:
        """Return the settings that overrides compose to.

        Raises:
            ConfigError: a recipe, group, option, key or value is not allowed or does not exist.
        """
        quoted = quote_paths(overrides)
        try:
            config, choices = self._config(quoted)
        except _ERRORS:
            return compose(overrides)  # which says what is wrong
        with translate_errors(quoted):
            note_choices(quoted)
            settings = typed(config, choices, quoted)
            note_unused_files(settings.choices)
            return settings

    def prepare(self, lines: Iterable[Sequence[str]]) -> None:
        """Compose the options that command lines name, those of different groups together.

        Args:
            lines: the command lines. What is wrong with one of them is said when it is composed.
        """
        named: dict[tuple[str, ...], list[Choices]] = {}
        for line in lines:
            with suppress(*_ERRORS):
                frame, choices, _ = self._parse(quote_paths(list(line)))
                named.setdefault(frame, []).append(choices)
        for frame, wanted in named.items():
            with suppress(*_ERRORS):
                self._frame(frame).compose_together(wanted)

    def _config(self, overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
        """Return the config of a command line, and the chosen option of each group."""
        frame, named, values = self._parse(overrides)
        config, choices = self._frame(frame).put_together(named)
        OmegaConf.set_struct(config, True)
        for override in values:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        OmegaConf.set_struct(config, False)
        leave_out_arguments(config, choices, overrides)
        return config, choices

    def _frame(self, overrides: tuple[str, ...]) -> _Frame:
        return self._frames.setdefault(overrides, _Frame(overrides))

    def _parse(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], Choices, list[Override]]:
        """Return what Hydra must see of a command line, the options that it names, and the values that it sets."""
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        counts = Counter(override.key_or_group for override in parsed)
        groups = {*registry.groups(), "recipe"}
        has_other_keys = any(not _is_change(one) and one.key_or_group not in groups for one in parsed)
        frame, named, values = [], Choices(), []
        for override in parsed:
            key, value = override.key_or_group, override.value()
            if _is_change(override) and counts[key] == 1 and isinstance(value, str) and self._has_own_part(key, value):
                named[key] = value
            elif _is_change(override) and key not in groups and not has_other_keys:
                values.append(override)
            else:
                frame.append(str(override.input_line))
        return tuple(frame), named, values

    def _has_own_part(self, group: str, option: str) -> bool:
        """Say whether the file of an option writes into its own group alone."""
        if group not in _GROUPS:
            return False
        if (group, option) not in self._is_simple:
            entry = registry.options(group).get(option)
            is_simple = entry is not None and "defaults" not in entry.content() and "@" not in entry.path.read_text()
            self._is_simple[group, option] = is_simple
        return self._is_simple[group, option]


def _is_change(override: Override) -> bool:
    """Say whether an override gives a key of the run, or a group, another value, and does nothing else."""
    is_plain = override.type == OverrideType.CHANGE and override.package is None
    return is_plain and not override.is_hydra_override() and not override.is_sweep_override()


@dataclass
class _Frame:
    """The parts of configs that have the same recipes.

    Attributes:
        overrides: what Hydra sees of all of their command lines.
        rest: a config, whose parts are replaced; None before the first one is composed.
        choices: the options in it.
        parts: by group, and the option that is named or None: the part of the config, and the option that it has.
    """

    overrides: tuple[str, ...]
    rest: DictConfig | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    parts: dict[tuple[str, str | None], tuple[Any, Any]] = field(default_factory=dict)

    def put_together(self, named: Mapping[str, str]) -> tuple[DictConfig, dict[str, Any]]:
        """Return a config of its own, and the chosen option of each group.

        Args:
            named: the option of each group that is named.
        """
        if self.rest is None or not all((group, named.get(group)) in self.parts for group in self.choices):
            self._compose(named)
        assert self.rest is not None
        config, choices = deepcopy(self.rest), dict(self.choices)
        for group in choices:
            part, choices[group] = self.parts[group, named.get(group)]
            if group in _GROUPS and part != config[group]:
                config[group] = deepcopy(part)
        return config, choices

    def compose_together(self, wanted: Sequence[Mapping[str, str]]) -> None:
        """Compose the options that are not known yet, those of different groups at once.

        Args:
            wanted: the options that command lines name.
        """
        missing = [one for named in wanted for one in named.items() if one not in self.parts]
        while missing:
            together = dict(missing)  # one of each group
            self._compose(together)
            missing = [one for one in missing if one not in self.parts]

    def _compose(self, named: Mapping[str, str]) -> None:
        overrides = [*self.overrides, *(f"{group}={option}" for group, option in named.items())]
        config, choices = compose_config(overrides)
        for group, choice in choices.items():
            part = config[group] if group in _GROUPS else None
            self.parts.setdefault((group, named.get(group)), (part, choice))
        if self.rest is None:
            self.rest, self.choices = config, choices
