"""The verbs of the command line, one a file: the first line of a module is its help, ``run(arguments)`` its code."""

import pkgutil

_ORDER = ("train", "resume", "eval", "runs", "recipes", "options", "completion", "version")


def verbs() -> list[str]:
    """Return the verbs: the modules here."""
    found = [module.name.rstrip("_") for module in pkgutil.iter_modules(__path__)]
    return sorted(found, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
