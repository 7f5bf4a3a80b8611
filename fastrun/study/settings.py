"""The keys ``study.*`` of a command line: how a study is made; what is left of the line is the run that it is about."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import yaml

from fastrun.config import constraints
from fastrun.config.constraints import Natural, Range, Words
from fastrun.config.settings import Time
from fastrun.config.value_types import fits, format_type
from fastrun.errors import ConfigError, nearest

_OPEN, _CLOSE = "[{(", "]})"


@dataclass(frozen=True)
class StudyConfig:
    """How a study is made."""

    blocks: Annotated[int, Range(ge=1, le=999)] | None = (
        None  # seeds that every arm is trained with; null: the least that can decide
    )
    factors: list[str] | None = None  # groups and overrides to take away from the run; null: every heuristic in it
    tune: Natural = 0  # learning rates that are tried for every arm before it is scored
    until: Annotated[str, Words(("decided",))] | None = None  # decided: look after every block, and end when all is
    budget: Time | None = None  # time that no new block is started beyond: 30min or 2h
    baseline: list[str] | None = None  # the overrides of the plain run; null: all factors at their neutral option
    plain: bool = True  # also compare a plain run with one that has a single factor; false: about a quarter of the time
    resample: bool = False  # every block has a validation split of its own, besides its seed
    equivalence: Annotated[float, Range(gt=0, lt=1)] = 0.02  # a ratio this near to 1 is no material difference
    screen: bool | None = None  # first find the factors with the largest effects; null: where there are more than keep
    keep: Annotated[int, Range(ge=1)] = 8  # factors at most that a screening leaves to be confirmed
    pairs: Annotated[int, Range(ge=1, le=2)] | list[list[str]] | None = (
        None  # pairs of factors to take away together, to explore: so many, by their gaps, or those that are named
    )

    @property
    def named_pairs(self) -> list[list[str]]:
        """Return the pairs of factors that were named."""
        return self.pairs if isinstance(self.pairs, list) else []


def split_study(arguments: Iterable[str]) -> tuple[StudyConfig, list[str]]:
    """Part a command line into the keys of the study and the overrides of the run.

    Args:
        arguments: the command line.

    Returns:
        How to make the study, and what is left for the run.

    Raises:
        ConfigError: a key does not exist, or a value is not allowed.
    """
    values, rest = split_keys(arguments, OwnKeys("study", StudyConfig, _EXAMPLES, _parsed))
    return StudyConfig(**values), rest


@dataclass(frozen=True)
class OwnKeys:
    """Keys of a command line that are no keys of the run, such as ``study.blocks``.

    Attributes:
        name: what stands before the dot.
        config: the dataclass whose fields they are.
        examples: a hint for each key, for values of another type.
        parse: returns the value of a field from its name and the text that was typed.
    """

    name: str
    config: type[Any]
    examples: Mapping[str, str]
    parse: Callable[[str, str], Any]

    def has(self, text: str) -> bool:
        """Say whether an argument sets one of them, or one that does not exist."""
        return text.lstrip("+").startswith((f"{self.name}.", f"{self.name}="))


def split_keys(arguments: Iterable[str], keys: OwnKeys) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the own keys in a command line by their fields, and the other arguments.

    Raises:
        ConfigError: a key does not exist, or a value is not allowed.
    """
    arguments = list(arguments)
    values = dict(_value(text, keys) for text in arguments if keys.has(text))
    return values, [text for text in arguments if not keys.has(text)]


def split_list(text: str) -> list[str]:
    """Return the items of a list such as ``[norm,model.hidden=[8,8]]``, which are texts, as they were typed.

    Args:
        text: the items, with or without brackets around them; quotes around an item are removed.
    """
    inner = text.strip()
    if inner.startswith("[") and inner.endswith("]"):
        inner = inner[1:-1]
    items, depth, quote, item = [], 0, "", ""
    for character in inner:
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
        else:
            depth += (character in _OPEN) - (character in _CLOSE)
        if character == "," and not depth and not quote:
            items.append(item)
            item = ""
        else:
            item += character
    return [_unquoted(item) for item in [*items, item] if item.strip()]


def _unquoted(item: str) -> str:
    item = item.strip()
    is_quoted = len(item) > 1 and item[0] == item[-1] and item[0] in "'\""
    return item[1:-1] if is_quoted else item


def _value(text: str, keys: OwnKeys) -> tuple[str, Any]:
    """Return a key without its prefix, and its value."""
    key, equals, typed = text.lstrip("+").partition("=")
    prefix, known = f"{keys.name}.", [entry.name for entry in fields(keys.config)]
    name = key.removeprefix(prefix)
    if name not in known:
        hint = nearest(name, known)
        hint = hint.replace("mean ", f"mean {prefix}") if hint else f"there is {', '.join(prefix + k for k in known)}"
        raise ConfigError(f"no key {key}", hint)
    if not equals:
        raise ConfigError(f"{text} is not an override", f"write {key}=value")
    annotation = get_type_hints(keys.config, include_extras=True)[name]
    value = keys.parse(name, typed)
    if not fits(value, annotation):
        raise ConfigError(f"{key}={typed} is not {format_type(annotation)}", keys.examples[name])
    constraints.check(key, value, annotation)
    return name, value


def _parsed(name: str, typed: str) -> Any:
    if typed in ("null", ""):
        return None
    if name == "factors":
        return split_list(typed)
    if name == "pairs" and typed.startswith("["):
        return [split_list(item) if item.startswith("[") else item for item in split_list(typed)]
    if name == "baseline":
        return split_list(typed) if typed.startswith("[") else _words(typed)
    return typed if name in ("until", "budget") else parse_value(typed)


def parse_value(typed: str) -> Any:
    """Return a typed value as YAML has it, or the text where it is no YAML."""
    try:
        return yaml.safe_load(typed)
    except yaml.YAMLError:
        return typed


def _words(typed: str) -> list[str]:
    try:
        return shlex.split(typed)
    except ValueError:
        return [typed]


_EXAMPLES = {
    "blocks": "write a whole number: study.blocks=9",
    "factors": "write a list: study.factors=[norm,clip]",
    "tune": "write a whole number: study.tune=5",
    "until": "write study.until=decided",
    "budget": "write study.budget=30min",
    "baseline": "write overrides: study.baseline=+recipe=mine",
    "plain": "write study.plain=false",
    "resample": "write study.resample=true",
    "equivalence": "write a share: study.equivalence=0.02",
    "screen": "write study.screen=true or false",
    "keep": "write a whole number: study.keep=8",
    "pairs": "write a number, or a list of pairs: study.pairs=[[norm,init]]",
}


def overrides_of_group(overrides: Sequence[str], group: str) -> Iterator[str]:
    """Yield the overrides that choose the option of a group, or set one of its values."""
    for text in overrides:
        key = text.lstrip("+~").partition("=")[0]
        if key == group or key.startswith(f"{group}."):
            yield text
