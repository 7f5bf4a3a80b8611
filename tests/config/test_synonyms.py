"""The names that other tools use: each leads to something that exists, and none hides a name of fastrun's own."""

from __future__ import annotations

import pytest

from fastrun.cli.commands import verbs
from fastrun.compose import compose
from fastrun.config import registry, synonyms
from fastrun.config.settings import OPEN, known_keys, top_level_keys

KNOWN = {*known_keys(), *registry.groups(), *(f"{group}.{key}" for group in OPEN for key in registry.keys(group))}


def test_every_synonym_of_a_key_leads_to_a_key_or_a_group() -> None:
    assert set(synonyms.KEYS.values()) - KNOWN == set()
    assert not synonyms.KEYS.keys() & {*top_level_keys(), *registry.groups()}


def test_every_synonym_of_an_option_leads_to_an_option() -> None:
    for group, words in synonyms.OPTIONS.items():
        options = registry.options(group).keys()
        assert set(words.values()) <= options, group
        assert not words.keys() & options, group


def test_every_synonym_of_a_command_leads_to_a_command() -> None:
    assert {verb.split()[0] for verb in synonyms.VERBS.values()} <= set(verbs())
    assert not synonyms.VERBS.keys() & set(verbs())


@pytest.mark.parametrize("group", synonyms.NUMBERS)
def test_what_a_number_for_a_group_means_composes(group: str) -> None:
    number = "0.9" if group == "ema" else "2"
    compose(synonyms.NUMBERS[group].format(number).split())


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("batch_size", "64", "did you mean batch.size=64?"),
        ("optimizer.learning-rate", "1", "did you mean optimizer.lr=1?"),
        ("optimizer.name", "adam", "did you mean optimizer=adam?"),
        ("precision", "bfloat16", "did you mean amp=bf16?"),
        ("wd", None, "did you mean optimizer.weight_decay?"),
        ("model.lr", "1", None),
        ("nothing", "1", None),
    ],
)
def test_the_hint_is_what_to_write_instead(name: str, value: str | None, hint: str | None) -> None:
    assert synonyms.key_hint(name, value) == hint


def test_a_terminal_that_lacks_characters_gets_others(new_process) -> None:
    done = new_process("--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "usage: fastrun COMMAND ?" in done.stdout
