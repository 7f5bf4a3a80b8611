"""What the user requested of each group and what the run used, so that no request is dropped silently."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("fastrun")


class Resolved:
    """What each group's option resolved to on this machine, with this data and this model.

    Args:
        choices: the chosen option of each group.
        is_silent: whether nothing is logged, as for a network that is only tried out.

    Attributes:
        groups: for each group what was ``requested``, what was ``used``, and ``why`` if that was recorded.
    """

    def __init__(self, choices: Mapping[str, Any], *, is_silent: bool = False) -> None:
        self._is_silent = is_silent
        self.groups = {
            group: {"requested": choice, "used": choice} for group, choice in choices.items() if group != "recipe"
        }

    def record(self, group: str, used: str, why: str, *, is_long: bool = False) -> None:
        """Record what an option resolved to, and log it if that is not the option itself.

        Args:
            group: the group.
            used: what is used.
            why: the reason.
            is_long: whether the reason is too long for the log line.
        """
        entry = self.groups.setdefault(group, {"requested": None})
        entry |= {"used": used, "why": why}
        if used != entry["requested"] and not self._is_silent:
            log.info(f"{group}: {used}" if is_long else f"{group}: {used} ({why})")
