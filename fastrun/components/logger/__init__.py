"""Trackers, which log the lines of metrics.jsonl while a run writes them and show runs side by side.

Each option of the group ``logger`` is a Lightning logger, and so is a user's own. It gets those of these arguments that
its signature names: ``folder``, the run directory; ``name``, the name of the run; ``step``, the step that the run is
resumed from, 0 for a new run. The run calls it through :class:`fastrun.components.logger.tracker.Tracker`.
"""

from __future__ import annotations

import importlib

from fastrun.errors import ConfigError


def require_package(package: str) -> None:
    """Import the package of a tracker.

    Args:
        package: the name of the package, which is the name of the option as well.

    Raises:
        ConfigError: the package, or another one that it needs, is not installed.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"logger={package} needs the package {error.name or package}, which is not installed",
            "pip install 'fastrun[track]'",
        ) from error
