"""Trackers: what shows the lines of metrics.jsonl, as a run writes them, beside those of other runs.

Each option of the group ``logger`` is a Lightning logger, and so is a user's own. One whose signature names them is
given ``folder`` (the run's directory), ``name`` (what to call the run) and ``step`` (the step it goes on from, 0 for a
new run). :class:`fastrun.components.logger.tracker.Tracker` stands between it and the run.
"""

from __future__ import annotations

import importlib

from fastrun.errors import ConfigError


def needs(package: str) -> None:
    """Import a tracker's package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"logger={package} needs the package {error.name or package}, which is not installed",
            "pip install 'fastrun[track]'",
        ) from error
