"""The parser that every command shares: its mistakes are errors of fastrun."""

import pytest

from fastrun.errors import UsageError
from fastrun.system.argument_parser import ArgumentParser


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun eval", "Evaluate.\n\n  line by line")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--split", choices=("val", "test"))
    return parser


def test_arguments_are_parsed(parser):
    given = parser.parse_args(["a", "seed=1", "--split", "val"])
    assert (given.run, given.overrides, given.split) == ("a", ["seed=1"], "val")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: RUN"),
        (["a", "--splt", "val"], "unrecognized arguments: --splt"),
        (["a", "--spl", "val"], "unrecognized arguments: --spl"),  # no abbreviations
        (["a", "--split", "all"], "choose from"),
    ],
)
def test_a_mistake_is_a_usage_error_that_points_to_the_help(parser, arguments, message):
    with pytest.raises(UsageError) as caught:
        parser.parse_args(arguments)
    assert message in caught.value.message
    assert "KEY=VALUE" not in caught.value.message
    assert caught.value.hint == "see `fastrun eval --help`"


def test_the_description_keeps_its_lines(parser):
    assert "Evaluate.\n\n  line by line" in parser.format_help()


def test_help_may_be_left_to_another_parser():
    assert ArgumentParser("fastrun train", add_help=False).parse_known_args(["--help"])[1] == ["--help"]
