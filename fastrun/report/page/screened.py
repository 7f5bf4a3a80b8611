"""The factors of a study that a screening left out: they were not tested, which is no verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def screened_out(screening: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the factors that were left out, the largest effect first, each with it.

    Args:
        screening: what plan.json says; empty where there was none.
    """
    effects = {name: dict(screening["effects"][name]) for name in screening.get("screened_out") or ()}
    return dict(sorted(effects.items(), key=lambda item: -max(item[1]["ratio"], 1 / item[1]["ratio"])))


def describe_screening(screening: Mapping[str, Any]) -> str:
    """Return in words which factors were left out, with their effects."""
    effects = ", ".join(f"{name} {effect['ratio']:.2f}" for name, effect in screened_out(screening).items())
    return f"screened out, not tested: effect about {effects}" if effects else "nothing was screened out"
