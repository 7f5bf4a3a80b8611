"""What was asked for and what was used, group by group: nothing asked for is dropped in silence."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("fastrun")


class Heuristics:
    """Collects how each group's choice turned out on this machine, this data and this model."""

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self.groups = {
            group: {"requested": choice, "used": choice} for group, choice in choices.items() if group != "recipe"
        }

    def use(self, group: str, used: str, why: str, *, is_long: bool = False) -> None:
        """Note what a choice came to, and say so where it is not the choice itself; a long reason is noted alone."""
        entry = self.groups.setdefault(group, {"requested": None})
        entry |= {"used": used, "why": why}
        if used != entry["requested"]:
            log.info(f"{group}: {used}" if is_long else f"{group}: {used} ({why})")
