"""The verbs of the command line, one file each: the first line of the docstring is the help, ``run`` is the code."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

_ORDER = (
    "train", "data", "watch", "resume", "eval", "predict", "export", "runs", "compare", "report", "prune", "tune",
    "find", "diagnose", "ablate", "race", "slurm", "recipes", "options", "completion", "version",
)  # fmt: skip


class Verb(Protocol):
    """A module of this package."""

    __doc__: str | None

    def run(self, arguments: list[str]) -> int:
        """Run the verb.

        Args:
            arguments: the command line after the verb.

        Returns:
            The exit code.
        """
        ...


def verbs() -> list[str]:
    """Return the names of the verbs: the modules of this package, those that are not in ``_ORDER`` at the end."""
    return sorted(_modules(), key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def load_verb(name: str) -> Verb:
    """Import the module of a verb."""
    return cast(Verb, importlib.import_module(f"{__name__}.{_modules()[name]}"))


def summary(name: str) -> str:
    """Return the first line of the docstring of a verb's module, which is read but not imported: that takes longer."""
    (folder,) = __path__
    doc = ast.get_docstring(ast.parse((Path(folder) / f"{_modules()[name]}.py").read_text()))
    return (doc or "").partition("\n")[0]


def _modules() -> dict[str, str]:
    """Return the module of each verb; ``eval_`` has an underscore because of the built-in function."""
    return {module.name.rstrip("_"): module.name for module in pkgutil.iter_modules(__path__)}
