"""A parser for the arguments of a verb, whose errors are fastrun's."""

from __future__ import annotations

import argparse
from typing import NoReturn

from fastrun.errors import UsageError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace(", KEY=VALUE", "")  # argparse counts what may be left out among what is missing
        raise UsageError(message, f"see `{self.prog} --help`")


def parser(verb: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser for ``fastrun VERB …``; ``doc`` is the verb's module docstring."""
    return _Parser(
        prog=f"fastrun {verb}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
