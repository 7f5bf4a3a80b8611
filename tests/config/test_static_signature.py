"""What the source of a target says of its arguments is what the imported target takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.config import constraints, foreign_domains, instantiate, registry
from fastrun.config.settings import OPEN
from fastrun.config.static_signature import TargetSignature, read_signature
from fastrun.config.value_types import fits
from fastrun.errors import ConfigError

VALUES = [None, True, 0, 1, -1, 0.5, -0.5, 1.5, 99, "none", "auto", "x", [], [1], [0.5, 0.5], [1, "x"], {}]
OPTIONS = [
    (group, name, str(entry.content()["_target_"]))
    for group in OPEN
    for name, entry in registry.options(group).items()
    if entry.content().get("_target_")
]
CALLBACKS = [("callbacks.mine", name, name) for name in ("pytorch_lightning.callbacks.EarlyStopping",)]


def verdict(signature: TargetSignature, name: str, value: object) -> str:
    """What becomes of a value of an argument: accepted, of a wrong type, or the message about its domain."""
    expected = signature.hints.get(name)
    if not fits(value, expected):
        return "wrong type"
    try:
        constraints.check(name, value, foreign_domains.domain_of(signature.module, name, expected))
    except ConfigError as error:
        return error.message
    return "accepted"


@pytest.mark.parametrize(("group", "name", "target"), OPTIONS + CALLBACKS)
def test_the_source_of_every_option_says_what_it_takes(group: str, name: str, target: str) -> None:
    if "." in target:
        pytest.importorskip(target.partition(".")[0])
    read = read_signature(registry.target_of(group, target) or target)
    real = TargetSignature.of(instantiate.locate(target, group))
    assert read is not None
    assert [(one.name, one.kind) for one in read.parameters.values()] == [
        (one.name, one.kind) for one in real.parameters.values()
    ]
    assert read.hints.keys() == real.hints.keys() - {"return"}
    for argument in read.hints:
        for value in VALUES:
            assert verdict(read, argument, value) == verdict(real, argument, value), (argument, value)


SOURCE = """
import functools
from fastrun.config.constraints import Count
from nowhere.at.all import Thing
Pair = tuple[Count, Count]

def plain(first, second: "Count" = 1, *rest: int, third: Pair | None = None, fourth: Thing = None, **others): ...

@functools.wraps(plain)
def decorated(*arguments): ...

class Inherits(dict): ...

class Made:
    def __new__(cls): ...
    def __init__(self, first): ...

class Own:
    def __init__(self, first: nowhere.Thing[int], second: Made): ...

borrowed = plain
"""


@pytest.fixture
def package(folder: Path) -> str:
    """A package of the user whose source is read and never run."""
    (folder / "unread").mkdir()
    (folder / "unread/__init__.py").write_text("from .inner import *\nfrom .inner import plain as renamed\n1 / 0\n")
    (folder / "unread/inner.py").write_text(SOURCE)
    (folder / "unread/broken.py").write_text("def net(:\n")
    return "unread"


@pytest.mark.parametrize("name", ["plain", "renamed", "inner.plain"])
def test_imports_are_followed_to_the_definition(package: str, name: str) -> None:
    found = read_signature(f"{package}.{name}")
    assert found is not None
    assert found.module == "unread.inner"
    assert {name: one.kind.name for name, one in found.parameters.items()} == {
        "first": "POSITIONAL_OR_KEYWORD",
        "second": "POSITIONAL_OR_KEYWORD",
        "rest": "VAR_POSITIONAL",
        "third": "KEYWORD_ONLY",
        "fourth": "KEYWORD_ONLY",
        "others": "VAR_KEYWORD",
    }
    assert found.takes_any
    assert verdict(found, "second", 0) == "second=0 is too small"
    assert verdict(found, "third", [1, 0]) == "third=[1, 0]: 0 is too small"
    assert verdict(found, "third", [1]) == "wrong type"
    assert verdict(found, "fourth", "anything") == "accepted"


@pytest.mark.parametrize(
    "target",
    ["decorated", "Inherits", "Made", "borrowed", "nothing", "broken.net", "inner.nothing.deeper", "absent.thing"],
)
def test_where_the_source_does_not_say_there_is_no_answer(package: str, target: str) -> None:
    assert read_signature(f"{package}.{target}") is None
    assert read_signature(target) is None


def test_an_annotation_that_cannot_be_evaluated_accepts_everything(package: str) -> None:
    found = read_signature(f"{package}.Own")
    assert found is not None
    assert list(found.parameters) == ["first", "second"]
    assert verdict(found, "first", "x") == "accepted"
