"""Checks of settings beyond their types: each constraint is read from the one place where it is declared."""

from __future__ import annotations

import math
import typing
from dataclasses import fields
from pathlib import Path

import pytest

from fastrun.config import constraints, registry
from fastrun.config.constraints import Range, Words, check_word
from fastrun.config.paths import shipped
from fastrun.config.settings import CLOSED, Settings, closed_keys, domains
from fastrun.config.validate import check
from fastrun.config.value_types import fits
from fastrun.errors import ConfigError

DOMAINS = domains()
KEYS = dict(closed_keys())


def marks_of(expected: object) -> list[object]:
    """The markers in an annotation, those in the parts of a union as well."""
    if typing.get_origin(expected) is typing.Annotated:
        return list(typing.get_args(expected)[1:])
    return [mark for part in typing.get_args(expected) for mark in marks_of(part)]


def declared(kind: type) -> list[tuple[str, typing.Any]]:
    """The markers of a kind, each with its key."""
    return [(key, mark) for key, expected in DOMAINS.items() for mark in marks_of(expected) if isinstance(mark, kind)]


WORDS = {key: mark.words for key, mark in declared(Words)}
MINIMUMS = {
    key: mark.ge for key, mark in declared(Range) if mark.ge is not None and mark.le is None and mark.lt is None
}
KINDS = [group for group, closed in CLOSED.items() if any(entry.name == "kind" for entry in fields(closed))]


def settings_with(key: str, value: object) -> Settings:
    """Return default settings with the value of one key changed, and what else that value needs."""
    settings = Settings()
    owner, _, name = key.rpartition(".")
    setattr(getattr(settings, owner) if owner else settings, name, value)
    if key.startswith("early_stopping.") and value == "budget":
        settings.early_stopping.steps = 5
    return settings


def refusal(key: str, value: object) -> ConfigError:
    """Return the error of default settings with a value that is not allowed."""
    with pytest.raises(ConfigError) as caught:
        check(settings_with(key, value))
    assert f"{key}={value}" in caught.value.message
    return caught.value


def test_default_settings_are_allowed_and_there_are_constraints_to_test() -> None:
    check(Settings())
    assert len(WORDS) >= 5
    assert len(MINIMUMS) >= 12
    assert len(KINDS) >= 10


@pytest.mark.parametrize("key", WORDS)
def test_a_choice_takes_the_words_beside_its_field_and_no_other(key: str) -> None:
    words = WORDS[key]
    assert KEYS[key].default in (*words, None)
    for word in words:
        check(settings_with(key, word))
    hint = refusal(key, "no such word!").hint or ""
    assert all(word in hint for word in words)


@pytest.mark.parametrize("key", MINIMUMS)
def test_a_number_takes_the_minimum_beside_its_field_and_nothing_below(key: str) -> None:
    minimum = MINIMUMS[key]
    check(settings_with(key, minimum))
    assert refusal(key, minimum - 1).hint == f"the minimum is {minimum}"
    assert "too small" in refusal(key, minimum - 1).message
    assert "not a finite number" in refusal(key, math.nan).message


@pytest.mark.parametrize("group", KINDS)
def test_a_kind_is_one_of_the_options_that_the_groups_folder_ships(group: str) -> None:
    names = [path.stem for path in (shipped("conf") / group).glob("*.yaml")]
    assert CLOSED[group]().kind in names
    for name in names:
        check(settings_with(f"{group}.kind", name))
    refusal(f"{group}.kind", "no such option!")


def test_an_option_is_known_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf/clip").mkdir(parents=True)
    (tmp_path / "conf/clip/other.yaml").write_text("# Another one\nkind: other\n")
    monkeypatch.setattr(registry, "shipped", lambda folder: tmp_path / folder)
    check_word("clip.kind", "other", registry.shipped_options("clip"))
    with pytest.raises(ConfigError, match=r"clip\.kind=norm is not known"):
        check_word("clip.kind", "norm", registry.shipped_options("clip"))


@pytest.mark.parametrize(("group", "key"), [key.split(".") for key in KEYS if key.count(".") == 1])
def test_a_default_is_of_the_type_of_its_field(group: str, key: str) -> None:
    assert fits(getattr(CLOSED[group](), key), DOMAINS[f"{group}.{key}"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip.kind": "norm", "clip.max": 0.0}, "clip.max=0.0 is too small"),
        ({"clip.kind": "norm", "clip.max": math.nan}, "clip.max=nan is not a finite number"),
        ({"early_stopping.seconds": 0.0}, "early_stopping.seconds=0.0 is too small"),
        ({"on_divergence.factor": 0.0}, "on_divergence.factor=0.0 is too small"),
        ({"on_divergence.factor": 1.5}, "on_divergence.factor=1.5 is too large"),
        ({"ema.decay": 1.0}, "ema.decay=1.0 is too large"),
        ({"early_stopping.kind": "budget"}, "needs exactly one of seconds and steps"),
        (
            {"early_stopping.kind": "budget", "early_stopping.seconds": 5.0, "early_stopping.steps": 5},
            "needs exactly one of seconds and steps",
        ),
        ({"transfer.source": "x.pt"}, "transfer.source is set, but transfer=none"),
        ({"batch.size": 4, "batch.accumulate": 5}, "batch.accumulate is larger than batch.size"),
        ({"sweep.zip": 3}, "sweep.zip=3 is not a list of keys"),
        ({"sweep.zip": "seed"}, "sweep.zip=seed is not a list of keys"),
    ],
    ids=str,
)
def test_values_that_exclude_each_other_or_are_out_of_range_are_refused(
    changes: dict[str, object], message: str
) -> None:
    settings = Settings()
    for key, value in changes.items():
        group, _, name = key.partition(".")
        setattr(getattr(settings, group), name, value)
    with pytest.raises(ConfigError) as caught:
        check(settings)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("value", [None, 1, 5])
def test_a_number_that_may_be_null_takes_null(value: int | None) -> None:
    constraints.check("key", value, constraints.Count | None)


def test_a_word_that_may_be_null_takes_null() -> None:
    words = typing.Annotated[str, Words(("one",))] | None
    constraints.check("key", None, words)
    with pytest.raises(ConfigError, match="key=two is not known") as caught:
        constraints.check("key", "two", words)
    assert caught.value.hint == "choose from one"
