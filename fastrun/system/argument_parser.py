"""A parser for command-line arguments whose mistakes are errors of fastrun; argparse would print them and exit."""

from __future__ import annotations

import argparse
from typing import NoReturn

from fastrun.errors import UsageError


class ArgumentParser(argparse.ArgumentParser):
    """Parses the arguments of one command.

    Args:
        command: the command as the user types it, such as ``fastrun eval``.
        description: what ``--help`` prints, line by line as it is.
        add_help: whether the parser itself answers ``--help``.
    """

    def __init__(self, command: str, description: str | None = None, add_help: bool = True) -> None:
        super().__init__(
            prog=command,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=add_help,
        )

    def error(self, message: str) -> NoReturn:
        """Raise a mistake as an error with a hint.

        Raises:
            UsageError: always.
        """
        message = message.replace(", KEY=VALUE", "")  # argparse lists optional positionals among the missing ones
        raise UsageError(message, f"see `{self.prog} --help`")
