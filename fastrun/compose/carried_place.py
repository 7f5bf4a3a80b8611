"""Where a command was typed, for a process that a launcher starts elsewhere: folder and paths, and what is trusted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CarriedPlace:
    """What a job takes from the process of its sweep.

    Attributes:
        path: ``sys.path``.
        argv: the command line.
        folder: the current folder.
        environment: the variables that say what the user trusts.
    """

    path: list[str]
    argv: list[str]
    folder: Path
    environment: dict[str, str]

    @classmethod
    def of_this_process(cls, argv: Sequence[str] | None = None) -> CarriedPlace:
        """Return the place of this process.

        Args:
            argv: the user's command line; None for ``sys.argv``.
        """
        environment = {name: os.environ[name] for name in ("FASTRUN_TRUST",) if name in os.environ}
        return cls(list(sys.path), list(sys.argv if argv is None else argv), Path.cwd(), environment)

    def enter(self) -> None:
        """Make it the place of the process that this is called in."""
        sys.path += [entry for entry in self.path if entry not in sys.path]
        sys.argv = list(self.argv)
        os.environ.update(self.environment)
        os.chdir(self.folder)
