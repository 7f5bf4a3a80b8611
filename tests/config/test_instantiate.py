"""Components: how a target is located, and how its arguments are checked and bound."""

import sys
from typing import Literal

import pytest
from torch import nn

from fastrun.config import instantiate
from fastrun.errors import ConfigError

HERE = "own_components"


class Inner:
    def __init__(self, size: int = 1) -> None:
        self.size = size


def build(
    width: int,
    rate: float = 0.5,
    mode: Literal["a", "b"] = "a",
    flag: bool = False,
    shape: tuple[int, ...] = (),
    pair: tuple[float, float] = (0.0, 1.0),
    text: str | None = None,
    inner: Inner | None = None,
    untyped=None,
    guessed=3,
    net: nn.Module | None = None,
) -> dict:
    return dict(locals())


def anything(known: int = 0, **others) -> dict:
    return {"known": known, **others}


not_callable = 3


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let a config name this module as it names a module of the user."""
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def bind(target: str = "build", **arguments):
    return instantiate.bind("model", {"_target_": f"{HERE}.{target}", **arguments})


def test_a_component_is_its_target_with_the_arguments_bound():
    bound = bind(width=3, rate=1, mode="b", flag=True, text="x")
    result = bound()
    assert {key: result[key] for key in ("width", "rate", "mode", "flag", "text")} == {
        "width": 3, "rate": 1, "mode": "b", "flag": True, "text": "x",
    }  # fmt: skip


def test_a_class_is_a_target_too():
    assert bind("Inner", size=4)().size == 4


@pytest.mark.parametrize("config", [{"_target_": None}, {"_target_": None, "lr": 1}, {}])
def test_a_null_target_binds_to_none(config):
    assert instantiate.bind("init", config) is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 1.5}, {"width": "3"}, {"width": True}, {"width": None}, {"width": [1]},
        {"rate": "fast"}, {"rate": True}, {"rate": None},
        {"flag": 1}, {"flag": "true"},
        {"shape": 3}, {"shape": ["x"]}, {"shape": [[1]]}, {"shape": "12"},
        {"pair": [1.0]}, {"pair": [1.0, 2.0, 3.0]}, {"pair": [1.0, "x"]},
        {"text": 3}, {"guessed": "three"}, {"net": "resnet"},
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_refused_with_its_key(arguments):
    (name,) = arguments
    with pytest.raises(ConfigError, match=rf"model\.{name}=.* wrong type") as caught:
        bind(**arguments)
    assert caught.value.exit_code == 2
    assert f"{HERE}.build expects" in caught.value.hint


def test_a_word_that_is_not_among_those_taken_is_refused_with_the_others():
    with pytest.raises(ConfigError, match=r"model\.mode=cc is not known") as caught:
        bind(mode="cc")
    assert caught.value.hint == "choose from a, b"


@pytest.mark.parametrize(
    "arguments",
    [{"text": None}, {"shape": []}, {"pair": [1, 2]}, {"untyped": "x"}, {"untyped": 1.5}, {"guessed": 4}, {"rate": 1}],
)
def test_a_value_of_a_fitting_type_is_taken(arguments):
    (name,) = arguments
    value = arguments[name]
    assert bind(width=1, **arguments)()[name] == (tuple(value) if isinstance(value, list) else value)


def test_a_list_becomes_a_tuple_as_signatures_have_it():
    assert bind(width=1, shape=[3, 32, 32])()["shape"] == (3, 32, 32)


def test_a_nested_target_is_built():
    inner = bind(width=1, inner={"_target_": f"{HERE}.Inner", "size": 7})()["inner"]
    assert isinstance(inner, Inner)
    assert inner.size == 7


def test_a_nested_null_target_is_none():
    assert bind(width=1, inner={"_target_": None})()["inner"] is None


def test_a_nested_component_is_checked_like_any_other():
    with pytest.raises(ConfigError, match=r"model\.inner\.sise is not an argument") as caught:
        bind(width=1, inner={"_target_": f"{HERE}.Inner", "sise": 7})
    assert caught.value.hint == "did you mean size?"


def test_an_unknown_argument_is_refused_and_the_nearest_offered():
    with pytest.raises(ConfigError, match=r"model\.widht is not an argument of own_components\.build") as caught:
        bind(widht=3)
    assert caught.value.hint == "did you mean width?"


def test_a_target_that_takes_any_argument_gets_them():
    assert bind("anything", known=1, more="x")() == {"known": 1, "more": "x"}


def test_a_known_argument_is_checked_even_where_any_other_is_taken():
    with pytest.raises(ConfigError, match=r"model\.known=x has the wrong type"):
        bind("anything", known="x")


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("torch.optim.AdanW", "not among what a config may call", "did you mean torch.optim.AdamW?"),
        (f"{HERE}.no_such_thing_at_all_", f"{HERE} has no no_such_thing_at_all_", None),
        (HERE, "no such module", None),
        (f"{HERE}.not_callable", "not a function or a class", None),
        ("no_such_module_anywhere.Net", "no such module", "the folder in which you start fastrun"),
        ("Net", "no such module", "the folder in which you start fastrun"),
        ("", "no such module", None),
        ("torch..nn", "_target_=torch..nn", None),
        (".mymod.Net", "_target_=.mymod.Net", None),
        (3, "_target_=3", None),
    ],
)
def test_a_target_that_cannot_be_found_is_a_config_error(target, message, hint):
    with pytest.raises(ConfigError, match="model") as caught:
        instantiate.bind("model", {"_target_": target})
    assert message in caught.value.message
    assert hint is None or hint in caught.value.hint


@pytest.mark.parametrize("module", ["own_net", "lacking_net"])
def test_a_module_that_needs_an_absent_package_says_which(tmp_path, monkeypatch, module):
    (tmp_path / f"{module}.py").write_text("import lacking\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="lacking, which is not installed"):
        instantiate.bind("model", {"_target_": f"{module}.Net"})


def test_a_module_is_imported_only_when_it_is_bound(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_model.py").write_text("def net(width: int): return width * 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "own_model" not in sys.modules
    assert instantiate.bind("model", {"_target_": "own_model.net", "width": 4})() == 8
    del sys.modules["own_model"]


def test_offers_are_those_that_the_signature_names_and_the_config_left_open():
    bound = bind(width=3)
    assert instantiate.accepted(bound, width=9, rate=0.1, num_classes=10) == {"rate": 0.1}


def test_an_argument_that_nobody_gives_is_named():
    with pytest.raises(ConfigError, match=r"model\.width is not set"):
        instantiate.check_complete("model", bind(rate=0.1))


@pytest.mark.parametrize(("config", "given"), [({"width": 1}, ()), ({}, ("width",))])
def test_nothing_is_missing_where_config_or_caller_gives_it(config, given):
    assert instantiate.check_complete("model", bind(**config), *given) is None


def test_variadic_arguments_are_never_missing():
    assert instantiate.check_complete("model", bind("anything")) is None
