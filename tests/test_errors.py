import re
import signal

import pytest

from fastrun import errors
from fastrun.errors import FastrunError, Interrupted, ProcessEnded, nearest

DRAWN = dict(re.findall(r"^[|`]-- (\w+) +(\S+)", errors.__doc__, re.MULTILINE))


def classes() -> dict[str, type[FastrunError]]:
    return {cls.__name__: cls for cls in FastrunError.__subclasses__() if cls.__module__ == errors.__name__}


def test_the_drawn_tree_has_every_error():
    assert len(DRAWN) > 0
    assert set(DRAWN) == set(classes())


@pytest.mark.parametrize("name", [name for name in DRAWN if DRAWN[name].isdigit()])
def test_an_error_ends_with_the_exit_code_that_is_drawn(name):
    assert classes()[name]("no").exit_code == int(DRAWN[name])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_as_the_shell_has_it(number, code):
    assert Interrupted(number, "stopped").exit_code == code


@pytest.mark.parametrize("code", [1, 3, 137])
def test_a_process_that_ended_gives_the_run_its_exit_code(code):
    assert ProcessEnded("process 1 ended", None, code).exit_code == code


def test_an_error_of_no_known_kind_is_a_bug():
    assert FastrunError("no").exit_code == 1


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("try\n  less", "error: it is too much\nhint: try less"),
        (None, "error: it is too much"),
        ("", "error: it is too much"),
    ],
)
def test_an_error_shows_one_line_and_its_hint_another(hint, shown):
    assert FastrunError("it is\n   too much", hint).render() == shown


@pytest.mark.parametrize(
    ("word", "hint"),
    [("adamW", "did you mean adamw?"), ("sdg", "did you mean sgd?"), ("transformer", None), ("", None)],
)
def test_the_nearest_word_is_offered_where_one_is_near(word, hint):
    assert nearest(word, iter(["sgd", "adamw", "lion"])) == hint


def test_nothing_is_near_where_nothing_is_known():
    assert nearest("sgd", []) is None
